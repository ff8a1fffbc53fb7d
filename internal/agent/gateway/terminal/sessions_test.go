package terminal_test

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
)

var usual = terminal.Size{Cols: 80, Rows: 24}

func TestSession(t *testing.T) {
	t.Parallel()

	t.Run("a command runs and its output comes", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		v := w.attach(t, w.mustCreate(t, usual).ID, 0)
		v.shows(`ready> $`)
		v.types("echo $((6*7))-$TERM\r")
		v.shows(`\n42-xterm-256color\r\n`)
	})

	t.Run("the size is the shell's from the start, and follows", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, terminal.Size{Cols: 101, Rows: 33}).ID
		v, other := w.attach(t, id, 0), w.attach(t, id, 0)
		v.types("stty size\r")
		v.shows(`33 101\r\n`)
		v.command(terminal.Command{Type: terminal.CommandResize, Cols: 60, Rows: 20})
		v.types("stty size\r")
		v.shows(`20 60\r\n`)
		other.until("the new size", func(terminal.Event) bool { return other.size == terminal.Size{Cols: 60, Rows: 20} })
	})

	t.Run("an impossible size is the usual one", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		v := w.attach(t, w.mustCreate(t, terminal.Size{Cols: -1, Rows: 5000}).ID, 0)
		v.types("stty size\r")
		v.shows(`24 80\r\n`)
	})

	t.Run("it outlives its clients, and a new one sees what was printed", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		v := w.attach(t, id, 0)
		v.shows(`ready> $`)
		v.types("echo one-$((1+1)); read wait; echo two-$((1+1))\r")
		v.shows(`one-2`)
		_ = v.conn.CloseNow()

		again := w.attach(t, id, 0)
		again.shows(`one-2`)
		again.types("\r")
		again.shows(`two-2`)
	})

	t.Run("a client that comes back gets what followed, and nothing twice", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		v := w.attach(t, id, 0)
		v.shows(`ready> $`)
		v.types("echo before-$((1+1))\r")
		v.shows(`before-2\r\nready> $`)
		_ = v.conn.CloseNow()

		again := w.attach(t, id, v.offset)
		again.types("echo after-$((1+1))\r")
		again.shows(`after-2`)
		if strings.Contains(string(again.text), "before") || again.lost != 0 {
			t.Errorf("got %q once more (lost %d)", again.text, again.lost)
		}
	})

	t.Run("every client sees what any of them types", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		one, two := w.attach(t, id, 0), w.attach(t, id, 0)
		one.types("echo from-$((0+1))\r")
		two.shows(`from-1`)
		two.types("echo from-$((1+1))\r")
		one.shows(`from-2`)
	})

	t.Run("typing is reported, output and a terminal's own answers are not", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		v := w.attach(t, w.mustCreate(t, usual).ID, 0)
		v.shows(`ready> $`)
		if n := w.inputs.Load(); n != 0 {
			t.Errorf("%d inputs before anything was typed", n)
		}
		v.types("\x1b[1;1R")
		v.types("\x15echo $((20+1))\r") // Ctrl+U first: the shell asked nothing
		v.shows(`\n21\r\n`)
		if n := w.inputs.Load(); n != 1 {
			t.Errorf("%d inputs, want 1", n)
		}
	})

	t.Run("only the client that leads answers a program", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		first := w.attach(t, id, 0)
		first.shows(`ready> $`)
		second := w.attach(t, id, 0) // leads now
		second.shows(`ready> $`)
		second.types("stty -echo; IFS= read -r answer; stty echo; printf 'got<%s>' \"$answer\" | cat -v\r")
		first.types("\x1b]10;rgb:1/1/1\x07")
		first.command(terminal.Command{Type: terminal.CommandResize, Cols: 90, Rows: 24})
		second.until("the first one's word", func(terminal.Event) bool { return second.size.Cols == 90 })
		second.types("\x1b]10;rgb:2/2/2\x07")
		second.types("\r")
		if got := second.shows(`\ngot<([^>]*)>`); string(got[1]) != "^[]10;rgb:2/2/2^G" {
			t.Errorf("the program was answered %q", got[1])
		}
	})

	t.Run("it says how the shell ended, and starts it again", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		v := w.attach(t, id, 0)
		v.types("echo last-$((1+1)); exit 7\r")
		if e := v.hears(terminal.EventExit); e.Code != 7 || !strings.Contains(string(v.text), "last-2") {
			t.Errorf("heard %+v after %q", e, v.text)
		}
		late := w.attach(t, id, 0)
		if e := late.hears(terminal.EventExit); e.Code != 7 {
			t.Errorf("a later client hears %+v", e)
		}
		if list := w.List(); len(list) != 1 || list[0].Running {
			t.Errorf("listed as %+v", list)
		}
		v.command(terminal.Command{Type: terminal.CommandRestart})
		v.hears(terminal.EventStart)
		v.types("echo new-$((1+1))\r")
		v.shows(`new-2`)
		late.hears(terminal.EventStart)
		late.shows(`new-2`)
		v.types("kill -9 $$\r")
		if e := v.hears(terminal.EventExit); e.Signal != "SIGKILL" || e.Code != 137 {
			t.Errorf("killed, it says %+v", e)
		}
	})

	t.Run("it ends although a program it left holds the terminal", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		v := w.attach(t, w.mustCreate(t, usual).ID, 0)
		v.types("nohup sleep 1000 2>&1 & exit\r")
		v.hears(terminal.EventExit)
	})

	t.Run("what is no command ends the connection, not the session", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		v := w.attach(t, id, 0)
		if err := v.conn.Write(v.ctx, websocket.MessageText, []byte(`{"type":"format-disk"}`)); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := v.next(); err != nil {
				if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					t.Errorf("closed with %v", err)
				}
				break
			}
		}
		w.attach(t, id, 0).shows(`ready> $`)
	})
}

func TestSlowClient(t *testing.T) {
	t.Parallel()
	const lines = 400_000 // 2.8 MB, several transcripts
	w := open(t)
	id := w.mustCreate(t, usual).ID
	stuck := w.attach(t, id, 0)
	stuck.noAcks = true
	stuck.shows(`ready> $`)
	quick := w.attach(t, id, 0)
	quick.types("stty -echo; seq 1 " + strconv.Itoa(lines) + "; echo all-$((1+1))\r")
	quick.shows(`all-2`) // although the other never shows anything
	if quick.lost == 0 && strings.Count(string(quick.text), "\n") < lines {
		t.Errorf("%d lines came, and none is said to be lost", strings.Count(string(quick.text), "\n"))
	}

	stuck.command(terminal.Command{Type: terminal.CommandAck, Offset: 1 << 50})
	stuck.shows(`all-2`)
	if stuck.lost == 0 || stuck.lost+int64(len(stuck.text)) != stuck.offset {
		t.Errorf("lost %d and got %d of %d bytes", stuck.lost, len(stuck.text), stuck.offset)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()

	t.Run("are numbered by the smallest free number", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		one, two := w.mustCreate(t, usual), w.mustCreate(t, usual)
		w.End(one.ID)
		three := w.mustCreate(t, usual)
		if one.Number != 1 || two.Number != 2 || three.Number != 1 {
			t.Errorf("numbered %d, %d, %d", one.Number, two.Number, three.Number)
		}
		if list := w.List(); len(list) != 2 || list[0].ID != two.ID || list[1].ID != three.ID {
			t.Errorf("listed as %+v", list)
		}
	})

	t.Run("are bounded, and an ended one makes room", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		first := w.mustCreate(t, usual)
		for range terminal.MaxSessions - 1 {
			w.mustCreate(t, usual)
		}
		if _, err := w.Create(usual); !errors.Is(err, terminal.ErrTooMany) {
			t.Fatalf("one more: %v", err)
		}
		v := w.attach(t, first.ID, 0)
		v.types("exit\r")
		v.hears(terminal.EventExit)
		w.mustCreate(t, usual)
	})

	t.Run("that do not start are said to", func(t *testing.T) {
		t.Parallel()
		s := terminal.New(terminal.Options{Shell: func() *exec.Cmd { return exec.Command("/no/such/shell") }})
		if _, err := s.Create(usual); err == nil || len(s.List()) != 0 {
			t.Errorf("error %v, listed %+v", err, s.List())
		}
	})

	t.Run("ended by the user let their clients go", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		id := w.mustCreate(t, usual).ID
		v := w.attach(t, id, 0)
		shell := v.pid("echo pid=$$\r")
		w.End(id)
		w.End(id) // again is no error
		for {
			if _, err := v.next(); err != nil {
				if websocket.CloseStatus(err) != 4001 {
					t.Errorf("closed with %v", err)
				}
				break
			}
		}
		if !gone(shell) {
			t.Error("the shell lives on")
		}
	})

	t.Run("closed leave no process behind, whatever it ignores", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		v := w.attach(t, w.mustCreate(t, usual).ID, 0)
		v.shows(`ready> $`)
		stubborn := v.pid("(trap '' HUP TERM INT; echo pid=$(exec sh -c 'echo $PPID'); while :; do sleep 1; done) &\r")
		shell := v.pid("echo pid=$$\r")
		kept := w.mustCreate(t, usual).ID
		v = w.attach(t, kept, 0)
		nohup := v.pid(`sh -c 'trap "" HUP; echo pid=$$; exec sleep 1000' &` + "\r") // as nohup does
		w.End(kept)
		if gone(nohup) {
			t.Error("nohup did not outlive its terminal")
		}
		w.Close()
		for what, pid := range map[string]int{"job": stubborn, "shell": shell, "nohup": nohup} {
			if !gone(pid) {
				t.Errorf("the %s lives on", what)
			}
		}
		if _, err := w.Create(usual); !errors.Is(err, terminal.ErrClosed) {
			t.Errorf("creating one more: %v", err)
		}
	})
}

// pid runs a command that prints "pid=<n>".
func (v *viewer) pid(command string) int {
	v.t.Helper()
	v.types(command)
	pid, err := strconv.Atoi(string(v.shows(`pid=(\d+)\r\n`)[1]))
	v.text = nil
	if err != nil {
		v.t.Fatal(err)
	}
	return pid
}
