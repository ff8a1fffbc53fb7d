package terminal

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

const (
	// maxMessage bounds what a client may send at once.
	maxMessage = 256 << 10
	// sendChunk is how much output goes into one message.
	sendChunk = 64 << 10
	// sendTimeout is how long a client's connection may take one message.
	sendTimeout = 20 * time.Second
	// pingEvery finds clients that vanished without a word.
	pingEvery = 30 * time.Second
	// statusSessionClosed is the status of a WebSocket whose session was closed.
	statusSessionClosed websocket.StatusCode = 4001
)

// Attach serves one client of a session over a WebSocket until either ends;
// it reports false, having answered nothing, if there is no such session. The
// query's "from" is the offset the client has seen output up to, 0 at first.
// The caller has checked who asks, and from which origin.
func (s *Sessions) Attach(w http.ResponseWriter, r *http.Request, id string) bool {
	one := s.find(id)
	if one == nil {
		return false
	}
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil || from < 0 {
		from = 0
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return true // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	c := &client{session: one, conn: conn}
	c.serve(r.Context(), from)
	return true
}

// client is one WebSocket and what it was told so far.
type client struct {
	session *session
	conn    *websocket.Conn
	viewer  viewer
	sent    int64
	told    state
}

func (c *client) serve(parent context.Context, from int64) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	detached, detach := context.WithCancel(context.Background())
	c.viewer.detach = detach
	c.session.attach(&c.viewer)
	defer c.session.leave(&c.viewer)
	defer context.AfterFunc(detached, func() {
		_ = c.conn.Close(statusSessionClosed, "the terminal was closed")
	})()
	go func() {
		defer cancel()
		c.receive(ctx)
	}()
	_ = c.send(ctx, from)
	_ = c.conn.Close(websocket.StatusGoingAway, "")
}

// receive carries out what the client sends until its connection ends.
func (c *client) receive(ctx context.Context) {
	for {
		kind, message, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageBinary {
			c.session.input(&c.viewer, message, ctx.Done())
			continue
		}
		command, err := ParseCommand(message)
		if err != nil {
			_ = c.conn.Close(websocket.StatusPolicyViolation, "not a terminal command")
			return
		}
		c.do(command)
	}
}

func (c *client) do(command Command) {
	switch command.Type {
	case CommandResize:
		c.session.resize(Size{command.Cols, command.Rows})
	case CommandAck:
		c.session.ack(&c.viewer, command.Offset)
	case CommandRestart:
		c.session.options.Input()
		if err := c.session.start(); err != nil {
			c.session.options.Logger.Error("a shell did not start again", "error", err)
		}
	}
}

// send passes on output and events until the connection ends.
func (c *client) send(ctx context.Context, from int64) error {
	if err := c.begin(ctx, from); err != nil {
		return err
	}
	pings := time.NewTicker(pingEvery)
	defer pings.Stop()
	buffer := make([]byte, sendChunk)
	for {
		changed := c.session.output.Changed()
		more, err := c.sendNews(ctx, buffer)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-pings.C:
			if err := c.ping(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin tells the client where it stands.
func (c *client) begin(ctx context.Context, from int64) error {
	_, at, modes := c.session.output.Read(from, nil)
	c.sent = at
	c.session.ack(&c.viewer, at)
	now := c.session.state()
	c.told = state{starts: now.starts, size: now.size}
	if err := c.tell(ctx, Event{Type: EventSize, Cols: now.size.Cols, Rows: now.size.Rows}); err != nil {
		return err
	}
	return c.tell(ctx, Event{
		Type: EventPosition, Offset: at, End: c.session.output.End(), Lost: max(0, at-from), Modes: modes,
	})
}

// sendNews sends what there is to send at once, and reports whether there may
// be more. An exit is told after all output before it.
func (c *client) sendNews(ctx context.Context, buffer []byte) (more bool, err error) {
	now := c.session.state()
	if now.size != c.told.size {
		c.told.size = now.size
		if err := c.tell(ctx, Event{Type: EventSize, Cols: now.size.Cols, Rows: now.size.Rows}); err != nil {
			return false, err
		}
	}
	if now.starts != c.told.starts {
		c.told.starts, c.told.exit = now.starts, nil
		if err := c.tell(ctx, Event{Type: EventStart}); err != nil {
			return false, err
		}
	}
	if c.behind() {
		return false, nil
	}
	n, err := c.sendOutput(ctx, buffer)
	if n > 0 || err != nil {
		return true, err
	}
	if now.exit != nil && c.told.exit == nil {
		c.told.exit = now.exit
		return false, c.tell(ctx, Event{Type: EventExit, Code: now.exit.code, Signal: now.exit.signal})
	}
	return false, nil
}

// behind reports whether the client must show something before it gets more.
func (c *client) behind() bool {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.sent-c.viewer.acked > window
}

func (c *client) sendOutput(ctx context.Context, buffer []byte) (int, error) {
	n, at, modes := c.session.output.Read(c.sent, buffer)
	if at != c.sent {
		skip := Event{Type: EventPosition, Offset: at, Lost: at - c.sent, Modes: modes}
		if err := c.tell(ctx, skip); err != nil {
			return 0, err
		}
		c.session.ack(&c.viewer, at)
		c.sent = at
	}
	if n == 0 {
		return 0, nil
	}
	c.sent += int64(n)
	return n, c.write(ctx, websocket.MessageBinary, buffer[:n])
}

func (c *client) tell(ctx context.Context, e Event) error {
	message, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return c.write(ctx, websocket.MessageText, message)
}

func (c *client) write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return c.conn.Write(ctx, kind, message)
}

func (c *client) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return c.conn.Ping(ctx)
}
