package terminal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
)

// patience is how long a test waits for what must come. It decides nothing but
// when a broken test ends.
const patience = 30 * time.Second

// workspace is a set of sessions behind a server, as the gateway has them.
type workspace struct {
	*terminal.Sessions
	url    string
	inputs atomic.Int64
}

// open serves sessions of a plain shell with a prompt that is easy to find.
func open(t *testing.T) *workspace {
	t.Helper()
	w := &workspace{}
	w.Sessions = terminal.New(terminal.Options{
		Shell: func() *exec.Cmd {
			shell := exec.Command("sh")
			shell.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "PS1=ready> ", "LC_ALL=C.UTF-8"}
			return shell
		},
		Input: func() { w.inputs.Add(1) },
	})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.Attach(rw, r, strings.TrimPrefix(r.URL.Path, "/")) {
			http.NotFound(rw, r)
		}
	}))
	w.url = server.URL
	t.Cleanup(func() {
		w.Close()
		server.Close()
	})
	return w
}

func (w *workspace) mustCreate(t *testing.T, size terminal.Size) terminal.Session {
	t.Helper()
	session, err := w.Create(size)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// viewer is a client of a session, as the page is one.
type viewer struct {
	t      *testing.T
	ctx    context.Context
	conn   *websocket.Conn
	text   []byte // all output, in order
	offset int64  // after the last byte of it
	size   terminal.Size
	lost   int64
	modes  string
	noAcks bool
}

// attach begins at an offset, 0 for everything kept.
func (w *workspace) attach(t *testing.T, id string, from int64) *viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/%s?from=%d", w.url, id, from), nil)
	if err != nil {
		t.Fatalf("attaching to %s: %v", id, err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &viewer{t: t, ctx: ctx, conn: conn, offset: from}
}

// next takes in one message and returns it if it is an event.
func (v *viewer) next() (terminal.Event, error) {
	kind, message, err := v.conn.Read(v.ctx)
	if err != nil {
		return terminal.Event{}, err
	}
	if kind == websocket.MessageBinary {
		v.text = append(v.text, message...)
		v.offset += int64(len(message))
		if !v.noAcks {
			v.command(terminal.Command{Type: terminal.CommandAck, Offset: v.offset})
		}
		return terminal.Event{}, nil
	}
	var event terminal.Event
	if err := json.Unmarshal(message, &event); err != nil {
		return terminal.Event{}, err
	}
	switch event.Type {
	case terminal.EventPosition:
		v.offset, v.modes = event.Offset, event.Modes
		v.lost += event.Lost
	case terminal.EventSize:
		v.size = terminal.Size{Cols: event.Cols, Rows: event.Rows}
	}
	return event, nil
}

// until reads on until the condition holds.
func (v *viewer) until(what string, holds func(terminal.Event) bool) {
	v.t.Helper()
	for {
		event, err := v.next()
		if err != nil {
			v.t.Fatalf("waiting for %s: %v; the output so far: %q", what, err, tail(v.text))
		}
		if holds(event) {
			return
		}
	}
}

// shows reads on until the output matches, and returns the submatches.
func (v *viewer) shows(expression string) [][]byte {
	v.t.Helper()
	wanted := regexp.MustCompile(expression)
	if !wanted.Match(v.text) {
		v.until(expression, func(terminal.Event) bool { return wanted.Match(v.text) })
	}
	return wanted.FindSubmatch(v.text)
}

// hears reads on until an event of a type.
func (v *viewer) hears(kind string) (heard terminal.Event) {
	v.t.Helper()
	v.until(kind, func(e terminal.Event) bool {
		heard = e
		return e.Type == kind
	})
	return heard
}

func (v *viewer) types(input string) {
	v.t.Helper()
	if err := v.conn.Write(v.ctx, websocket.MessageBinary, []byte(input)); err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewer) command(c terminal.Command) {
	v.t.Helper()
	message, err := json.Marshal(c)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.conn.Write(v.ctx, websocket.MessageText, message); err != nil {
		v.t.Fatal(err)
	}
}

func tail(text []byte) []byte { return text[max(0, len(text)-400):] }
