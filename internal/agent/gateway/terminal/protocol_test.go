package terminal_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message string
		want    terminal.Command
	}{
		"resize":         {`{"type":"resize","cols":80,"rows":24}`, terminal.Command{Type: "resize", Cols: 80, Rows: 24}},
		"largest":        {`{"type":"resize","cols":1000,"rows":1000}`, terminal.Command{Type: "resize", Cols: 1000, Rows: 1000}},
		"acknowledgment": {`{"type":"ack","offset":9007199254740991}`, terminal.Command{Type: "ack", Offset: 9007199254740991}},
		"restart":        {` {"type":"restart"} `, terminal.Command{Type: "restart"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := terminal.ParseCommand([]byte(test.message))
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	for _, message := range []string{
		``, `null`, `[]`, `"resize"`, `{}`, `{"type":"input"}`, `{"type":"resize"}`,
		`{"type":"resize","cols":0,"rows":24}`, `{"type":"resize","cols":80,"rows":-1}`,
		`{"type":"resize","cols":1001,"rows":24}`, `{"type":"resize","cols":1e9,"rows":24}`,
		`{"type":"ack","offset":-1}`, `{"type":"ack","offset":"1"}`, `{"type":"restart","more":1}`,
		`{"type":"restart"}{"type":"restart"}`, `{"type":"restart"} x`,
	} {
		if got, err := terminal.ParseCommand([]byte(message)); !errors.Is(err, terminal.ErrProtocol) {
			t.Errorf("%s: got %+v, %v; want ErrProtocol", message, got, err)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte(`{"type":"resize","cols":80,"rows":24}`))
	f.Add([]byte(`{"type":"ack","offset":12}`))
	f.Add([]byte(`{"type":"restart"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		c, err := terminal.ParseCommand(message)
		if err != nil {
			if !errors.Is(err, terminal.ErrProtocol) {
				t.Fatalf("%q: %v is no ErrProtocol", message, err)
			}
			return
		}
		if c.Type == terminal.CommandResize && !(terminal.Size{Cols: c.Cols, Rows: c.Rows}).Valid() {
			t.Fatalf("%q: resizes to %d by %d", message, c.Cols, c.Rows)
		}
		if c.Offset < 0 && c.Type == terminal.CommandAck {
			t.Fatalf("%q: acknowledges %d", message, c.Offset)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := terminal.ParseCommand(again); err != nil || back != c {
			t.Fatalf("%q: written again as %s it reads %+v, %v", message, again, back, err)
		}
	})
}

func TestIsReport(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]bool{
		"\x1b[24;80R":                      true,
		"\x1b[?1;2c":                       true,
		"\x1b[0n":                          true,
		"\x1b[?2026;2$y":                   true,
		"\x1b]11;rgb:0b0b/0e0e/1414\x1b\\": true,
		"\x1bP1$r0m\x1b\\":                 true,
		"a":                                false,
		"\r":                               false,
		"\x1b":                             false,
		"\x1b[A":                           false, // an arrow
		"\x1b[200~pasted\x1b[201~":         false,
		"\x1b[<0;10;10M":                   false, // the mouse
		"\x1bx":                            false, // Alt and a letter
		"":                                 false,
	} {
		if got := terminal.IsReport([]byte(input)); got != want {
			t.Errorf("%q: got %v, want %v", input, got, want)
		}
	}
}
