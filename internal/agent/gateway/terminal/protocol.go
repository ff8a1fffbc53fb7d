package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Size is a terminal's, in character cells.
type Size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

// MaxCells bounds both sides of a terminal.
const MaxCells = 1000

// DefaultSize is a terminal's until a client says what it can show.
var defaultSize = Size{Cols: 80, Rows: 24}

// Valid reports whether a terminal can have this size.
func (s Size) Valid() bool {
	return s.Cols >= 1 && s.Rows >= 1 && s.Cols <= MaxCells && s.Rows <= MaxCells
}

// The commands of a client.
const (
	// CommandResize: the client shows Cols by Rows cells now.
	CommandResize = "resize"
	// CommandAck: the client has shown everything before Offset.
	CommandAck = "ack"
	// CommandRestart: start the shell again, after it ended.
	CommandRestart = "restart"
)

// Command is a text message from a client.
type Command struct {
	Type   string `json:"type"`
	Cols   int    `json:"cols,omitempty"`
	Rows   int    `json:"rows,omitempty"`
	Offset int64  `json:"offset,omitempty"`
}

// The events a client is told.
const (
	// EventPosition: the next output begins at Offset. Output up to End is a
	// replay: what a terminal would answer to it was answered long ago. Lost
	// bytes before it are gone; Modes then brings a terminal into the modes
	// that hold at Offset.
	EventPosition = "position"
	// EventSize: the terminal has Cols by Rows cells, for every client.
	EventSize = "size"
	// EventExit: the shell ended with Code, or by a signal named in Signal.
	EventExit = "exit"
	// EventStart: the shell was started again.
	EventStart = "start"
)

// Event is a text message to a client.
type Event struct {
	Type   string `json:"type"`
	Offset int64  `json:"offset,omitempty"`
	End    int64  `json:"end,omitempty"`
	Lost   int64  `json:"lost,omitempty"`
	Modes  string `json:"modes,omitempty"`
	Cols   int    `json:"cols,omitempty"`
	Rows   int    `json:"rows,omitempty"`
	Code   int    `json:"code,omitempty"`
	Signal string `json:"signal,omitempty"`
}

// ErrProtocol is a message that no client of ours sends.
var ErrProtocol = errors.New("not a terminal command")

// ParseCommand reads a text message. Every error is an ErrProtocol.
func ParseCommand(message []byte) (Command, error) {
	var c Command
	d := json.NewDecoder(bytes.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Command{}, fmt.Errorf("%w: more than one object", ErrProtocol)
	}
	switch {
	case c.Type == CommandResize && (Size{c.Cols, c.Rows}).Valid():
	case c.Type == CommandAck && c.Offset >= 0:
	case c.Type == CommandRestart:
	default:
		return Command{}, fmt.Errorf("%w: %q with these values", ErrProtocol, c.Type)
	}
	return c, nil
}

// isReport reports whether input is a terminal's own answer to a question a
// program asked it (its cursor's position, its kind, its colours), rather than
// something a user did.
func isReport(input []byte) bool {
	if len(input) < 3 || input[0] != 0x1b {
		return false
	}
	switch last := input[len(input)-1]; input[1] {
	case ']', 'P': // OSC, DCS: up to ESC \ or BEL
		return last == 0x07 || bytes.HasSuffix(input, []byte("\x1b\\"))
	case '[': // CSI: a final byte that no key has
		if bytes.IndexByte(input[1:], 0x1b) >= 0 {
			return false
		}
		return bytes.IndexByte([]byte("cnRty"), last) >= 0
	}
	return false
}
