package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestOnlyAnUntouchedVMEndsByItself: four VMs with a timeout of five minutes;
// in three of them something goes on while the clock moves six minutes ahead.
func TestOnlyAnUntouchedVMEndsByItself(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{})
	launch := func() vm { return s.mustLaunch(map[string]any{"idleTimeoutMinutes": 5}) }
	quiet, building, typing, serving := launch(), launch(), launch(), launch()
	for _, v := range []vm{quiet, building, typing, serving} {
		s.untilStatus(v.ID, "running")
	}

	build := s.openTerminal(building)
	build.types("while :; do :; done\n")
	keys := s.openTerminal(typing)
	defer s.keepDoing(func() { keys.types("x") })()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.keepDoing(func() {
		if status, body := s.visit(serving, port, "/", serving.TerminalPassword); status != http.StatusOK {
			t.Errorf("a request: %d %s", status, body)
		}
	})()

	s.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "6m"}, nil)
	moved := s.now()
	ended := s.untilStatus(quiet.ID, "stopped")
	if ended.StopReason != "idle" || ended.Generation != 1 || ended.Error != nil {
		t.Errorf("the untouched VM ended as %+v", ended)
	}
	if len(s.object("default/"+quiet.WorkspaceID+"/workspace.tar.gz.enc")) == 0 {
		t.Error("it was not backed up")
	}
	// The others outlive the timeout once more. A heartbeat is written down
	// about every four minutes, so that the record now shows their signals.
	s.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "6m"}, nil)
	for _, c := range []struct {
		what string
		vm   vm
		last func(dcm.Signals) *time.Time
	}{
		{"a build", building, func(s dcm.Signals) *time.Time { return s.CPU }},
		{"typing", typing, func(s dcm.Signals) *time.Time { return s.Terminal }},
		{"requests", serving, func(s dcm.Signals) *time.Time { return s.HTTP }},
	} {
		v := s.until(c.vm.ID, "kept by "+c.what, func(v vm) bool {
			at := c.last(v.Idle.Signals)
			return at != nil && !at.Before(moved)
		})
		if v.Status != "running" || v.StopReason != "" {
			t.Errorf("with %s it is %+v", c.what, v)
		}
	}
}

// now is the stack's time.
func (s *system) now() time.Time {
	s.t.Helper()
	var answer struct{ Now time.Time }
	s.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "0s"}, &answer)
	return answer.Now
}

// keepDoing does something ten times a second until it is stopped, which must
// be deferred: when cleanups run, the test's context has ended, and with it
// whatever is being done.
func (s *system) keepDoing(something func()) (stop func()) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(s.t.Context())
	go func() {
		defer close(done)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				something()
			}
		}
	}()
	return func() { cancel(); <-done }
}

// terminal is an open terminal of a VM.
type terminal struct {
	t    *testing.T
	conn *websocket.Conn
}

func (s *system) openTerminal(v vm) *terminal {
	s.t.Helper()
	host := fmt.Sprintf("ui.%s:%d", v.Hostname, s.EdgePort)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/api/sessions", s.EdgePort), strings.NewReader("{}"))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = host
	r.SetBasicAuth("user", v.TerminalPassword)
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var session struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&session); err != nil || answer.StatusCode != http.StatusCreated {
		s.t.Fatalf("open a terminal: %s, %v", answer.Status, err)
	}
	conn, _, err := websocket.Dial(s.t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/api/sessions/%s/attach", s.EdgePort, session.ID), &websocket.DialOptions{
		Host: host, HTTPHeader: http.Header{"Authorization": r.Header["Authorization"]}, HTTPClient: s.client,
	})
	if err != nil {
		s.t.Fatalf("attach to a terminal: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	go func() { // what it shows is of no interest, but must be read
		for {
			if _, _, err := conn.Read(context.WithoutCancel(s.t.Context())); err != nil {
				return
			}
		}
	}()
	return &terminal{s.t, conn}
}

func (t *terminal) types(text string) {
	// A terminal that was closed at the test's end is no news.
	_ = t.conn.Write(context.WithoutCancel(t.t.Context()), websocket.MessageBinary, []byte(text))
}
