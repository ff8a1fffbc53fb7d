package terminal_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
	"pgregory.net/rapid"
)

// readAll reads what a client that has seen output up to offset is sent.
func readAll(t *terminal.Transcript, offset int64) (output []byte, at int64, modes string) {
	buffer := make([]byte, 700) // not a divisor of anything
	n, at, modes := t.Read(offset, buffer)
	for next := at; n > 0; {
		output = append(output, buffer[:n]...)
		next += int64(n)
		n, _, _ = t.Read(next, buffer)
	}
	return output, at, modes
}

func TestTranscript(t *testing.T) {
	t.Parallel()

	t.Run("any kept offset reads on exactly where it was", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			size := rapid.IntRange(1, 4096).Draw(t, "size")
			transcript := terminal.NewTranscript(size)
			var all []byte
			for _, chunk := range rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 3000)).Draw(t, "chunks") {
				_, _ = transcript.Write(chunk)
				all = append(all, chunk...)
			}
			start := max(0, len(all)-size)
			offset := rapid.IntRange(0, len(all)+10).Draw(t, "offset")
			got, at, _ := readAll(transcript, int64(offset))
			if offset >= start && offset <= len(all) && int(at) != offset {
				t.Fatalf("skipped from %d to %d, which is kept", offset, at)
			}
			if int(at) < start || !bytes.Equal(got, all[at:]) {
				t.Fatalf("read %d bytes at %d; they are not what was written there", len(got), at)
			}
		})
	})

	t.Run("what is lost is lost up to a whole character and sequence", func(t *testing.T) {
		t.Parallel()
		unit := "日本語 🚀 \x1b[38;2;255;120;0mtext\x1b[0m \x1b]0;title\x07 \x1bP1$r0m\x1b\\ plain\r\n"
		all := strings.Repeat(unit, 2000)
		cuts := terminal.CutPoints([]byte(all))
		transcript := terminal.NewTranscript(8 << 10)
		for chunk := range slices.Chunk([]byte(all), 333) {
			_, _ = transcript.Write(chunk)
			got, at, _ := readAll(transcript, -1)
			if at > 0 && !slices.Contains(cuts, int(at)) {
				t.Fatalf("cut at %d, inside of %q", at, all[at-8:at+8])
			}
			if len(got) > 0 && !utf8.RuneStart(got[0]) {
				t.Fatalf("begins with half a character: %q", got[:8])
			}
			if at > 0 && transcript.End()-at < 6<<10 {
				t.Fatalf("keeps only %d bytes of 8 KiB", transcript.End()-at)
			}
		}
	})

	t.Run("the modes of the place it skips to come along", func(t *testing.T) {
		t.Parallel()
		transcript := terminal.NewTranscript(4 << 10)
		_, _ = transcript.Write([]byte("\x1b[?1049h\x1b[?25l\x1b[?1000;1006h"))
		_, _ = transcript.Write([]byte(strings.Repeat("line\r\n", 4000)))
		if _, _, modes := transcript.Read(0, nil); modes != "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1006h" {
			t.Errorf("modes %q", modes)
		}
	})

	t.Run("a reset undoes them", func(t *testing.T) {
		t.Parallel()
		transcript := terminal.NewTranscript(4 << 10)
		_, _ = transcript.Write([]byte("\x1b[?1049h\x1b[?25l\x1b]0;a title that never ends"))
		transcript.Reset()
		_, _ = transcript.Write([]byte(strings.Repeat("line\r\n", 4000)))
		if _, _, modes := transcript.Read(0, nil); modes != "" {
			t.Errorf("modes %q are left", modes)
		}
	})

	t.Run("a sequence longer than all that is kept", func(t *testing.T) {
		t.Parallel()
		transcript := terminal.NewTranscript(1 << 10)
		_, _ = transcript.Write([]byte("\x1bPq" + strings.Repeat("#", 9000)))
		if got, at, _ := readAll(transcript, 0); len(got) != 0 || at != transcript.End() {
			t.Errorf("replays %d bytes from the middle of it", len(got))
		}
	})
}

func TestModes(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"":                              "",
		"\x1b[?2004h":                   "\x1b[?2004h",
		"\x1b[?2004h\x1b[?2004l":        "",
		"\x1b[?25l":                     "\x1b[?25l",
		"\x1b[?25l\x1b[?25h":            "",
		"\x1b[?1049h\x1bc":              "", // full reset
		"\x1b[4h":                       "", // not a private mode
		"\x1b[?9999h":                   "",
		"\x1b]0;\x1b[?1049h":            "\x1b[?1049h", // an escape ends the title
		"\x1b[?1;\x1b[?7l":              "\x1b[?7l",    // and a sequence
		"\x1b[?99999999999999999999999": "",
	} {
		if got := terminal.Modes([]byte(output)); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add([]byte("\x1b[?1049h日本\x1b]0;t\x07"), 3)
	f.Add([]byte("\x1bP\x1b\x1b[\xf0\x9f"), 1)
	f.Fuzz(func(t *testing.T, output []byte, size int) {
		size = 1 + int(uint(size)%2048)
		transcript := terminal.NewTranscript(size)
		for range 3 {
			_, _ = transcript.Write(output)
		}
		all := bytes.Repeat(output, 3)
		got, at, _ := readAll(transcript, 0)
		if at < 0 || !bytes.Equal(got, all[at:]) {
			t.Fatalf("read %d bytes at %d of %d", len(got), at, len(all))
		}
		if at > 0 && int(at) < len(all) && !slices.Contains(terminal.CutPoints(all), int(at)) {
			t.Fatalf("cut at %d, inside of a sequence", at)
		}
	})
}
