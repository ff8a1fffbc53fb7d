package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
)

// meddler runs do once, when the archive's bytes first contain mark.
type meddler struct {
	bytes.Buffer
	mark string
	do   func()
}

func (m *meddler) Write(p []byte) (int, error) {
	if m.do != nil && strings.Contains(string(p), m.mark) {
		m.do()
		m.do = nil
	}
	return m.Buffer.Write(p)
}

// TestWriteSurvivesChange changes a tree at the moment its file "m" has begun
// to be archived.
func TestWriteSurvivesChange(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for name, c := range map[string]struct {
		change func(dir string) error
		note   string
		check  func(t *testing.T, files map[string]string)
	}{
		"the file shrinks": {
			change: func(dir string) error { return os.Truncate(filepath.Join(dir, "m"), 10) },
			note:   "m: shrank while it was read: padded with",
		},
		"the file grows": {
			change: func(dir string) error { return os.Truncate(filepath.Join(dir, "m"), 2*size) },
			note:   "m: changed while it was read",
		},
		"a later file vanishes": {
			change: func(dir string) error { return os.Remove(filepath.Join(dir, "z")) },
			note:   "z: vanished while it was read",
			check: func(t *testing.T, files map[string]string) {
				if _, there := files["z"]; there {
					t.Error("the vanished file is in the archive")
				}
			},
		},
		"a later directory becomes a link to elsewhere": {
			change: func(dir string) error {
				return errors.Join(os.RemoveAll(filepath.Join(dir, "x")), os.Symlink("/", filepath.Join(dir, "x")))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, "m"), []byte(strings.Repeat("m", size)), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "z"), []byte("z"), 0o644))
			must(t, os.MkdirAll(filepath.Join(dir, "x", "y"), 0o755))
			m := &meddler{mark: "mmmm", do: func() { must(t, c.change(dir)) }}
			report, err := archive.Write(context.Background(), m, dir)
			must(t, err)
			if c.note != "" && (len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0].String(), c.note)) {
				t.Errorf("the notes are %v, want %q", report.Notes, c.note)
			}
			files := read(t, &m.Buffer)
			if len(files["m"]) != size {
				t.Errorf("m has %d bytes in the archive, want the %d its header said", len(files["m"]), size)
			}
			if c.check != nil {
				c.check(t, files)
			}
		})
	}
}

func read(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		b, err := io.ReadAll(tr)
		must(t, err)
		files[h.Name] = string(b)
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1<<20), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := archive.Write(ctx, io.Discard, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
