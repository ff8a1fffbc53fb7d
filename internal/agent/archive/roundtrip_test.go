package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
)

func copyTree(t testing.TB, from, to string) (written, restored archive.Report) {
	t.Helper()
	var b bytes.Buffer
	written, err := archive.Write(context.Background(), &b, from)
	must(t, err)
	restored, err = archive.Restore(context.Background(), &b, to, archive.Options{Owners: os.Getuid() == 0})
	must(t, err)
	return written, restored
}

func TestRoundTripKeepsEverything(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		p := filepath.Join(from, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, []byte(content), 0o600))
		must(t, os.Chmod(p, mode))
	}
	long := strings.Repeat("long-name-", 20)
	write("a/run.sh", "#!/bin/sh\n", 0o755|os.ModeSetuid)
	write("a/secret", "x", 0o400)
	write("empty", "", 0o644)
	write("big", strings.Repeat("0123456789abcdef", 70_000), 0o640)
	write(long+"/"+long+"/"+long, "deep", 0o644)
	write("not-utf8-\xff\xfe", "bytes", 0o644)
	write("newline\nin name", "n", 0o644)
	write("über/文件", "unicode", 0o644)
	must(t, os.MkdirAll(filepath.Join(from, "empty dir"), 0o755))
	must(t, os.Chmod(filepath.Join(from, "empty dir"), 0o777|os.ModeSticky))
	must(t, os.Link(filepath.Join(from, "a/secret"), filepath.Join(from, "z-second-name")))
	must(t, os.Link(filepath.Join(from, "a/secret"), filepath.Join(from, "über/third")))
	must(t, os.Symlink("a/run.sh", filepath.Join(from, "link")))
	must(t, os.Symlink("../a", filepath.Join(from, "über/up")))
	must(t, os.Symlink("missing", filepath.Join(from, "dangling")))
	must(t, os.Link(filepath.Join(from, "dangling"), filepath.Join(from, "a/dangling-too")))
	if os.Getuid() == 0 {
		must(t, os.Lchown(filepath.Join(from, "link"), 1234, 5678))
		must(t, os.Lchown(filepath.Join(from, "empty dir"), 1234, 4_000_000))
	}
	must(t, os.Mkdir(filepath.Join(from, "read-only"), 0o755))
	write("read-only/file", "r", 0o444)
	must(t, os.Chmod(filepath.Join(from, "read-only"), 0o555))
	setTime(t, filepath.Join(from, "big"), time.Unix(1_234_567_890, 123_456_789))
	setTime(t, filepath.Join(from, "read-only"), time.Unix(1, 1))
	setTime(t, filepath.Join(from, "empty"), time.Unix(-5, 7))
	setTime(t, from, time.Unix(1_000_000_000, 5))

	written, restored := copyTree(t, from, to)
	if want, got := describe(t, from), describe(t, to); got != want {
		t.Errorf("restored\n%s\ninstead of\n%s", got, want)
	}
	if written.Noted != 0 || restored.Noted != 0 || written.Entries != restored.Entries || written.Bytes != restored.Bytes {
		t.Errorf("the reports are %+v and %+v", written, restored)
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	for i := range 200 {
		must(t, os.WriteFile(filepath.Join(from, fmt.Sprint(i*7919%200)), []byte("x"), 0o644))
	}
	var a, b bytes.Buffer
	_, err := archive.Write(context.Background(), &a, from)
	must(t, err)
	_, err = archive.Write(context.Background(), &b, from)
	must(t, err)
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of one tree differ")
	}
}

func TestWriteSkipsWhatIsNoFile(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(from, "socket"))
	must(t, err)
	defer listener.Close()
	must(t, syscall.Mkfifo(filepath.Join(from, "fifo"), 0o644))
	must(t, os.WriteFile(filepath.Join(from, "kept"), nil, 0o644))
	written, _ := copyTree(t, from, to)
	if len(written.Notes) != 2 || written.Notes[0].String() != "fifo: skipped: it is a FIFO" || written.Notes[1].Path != "socket" {
		t.Errorf("the notes are %v", written.Notes)
	}
	entries, err := os.ReadDir(to)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != "kept" {
		t.Errorf("restored %v", entries)
	}
}

// TestRoundTripOfAnyTree makes random trees out of operations that may fail,
// as a user's would.
func TestRoundTripOfAnyTree(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		from, to := filepath.Join(base, fmt.Sprint(n), "from"), filepath.Join(base, fmt.Sprint(n), "to")
		must(t, os.MkdirAll(from, 0o755))
		must(t, os.MkdirAll(to, 0o755))
		name := rapid.SampledFrom([]string{"a", "b", "c", "d e", "é", strings.Repeat("n", 120)})
		place := func() string {
			parts := rapid.SliceOfN(name, 1, 4).Draw(r, "path")
			return filepath.Join(append([]string{from}, parts...)...)
		}
		for range rapid.IntRange(0, 25).Draw(r, "operations") {
			p := place()
			switch rapid.IntRange(0, 4).Draw(r, "operation") {
			case 0:
				_ = os.MkdirAll(p, 0o755)
			case 1:
				_ = os.MkdirAll(filepath.Dir(p), 0o755)
				_ = os.WriteFile(p, rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(r, "content"), 0o644)
			case 2:
				_ = os.Link(place(), p)
			case 3:
				_ = os.Symlink(rapid.SampledFrom([]string{"a", "b/c", "./d e"}).Draw(r, "target"), p)
			case 4:
				if info, err := os.Lstat(p); err == nil && info.Mode()&os.ModeSymlink == 0 {
					_ = os.Chmod(p, os.FileMode(rapid.IntRange(0, 0o777).Draw(r, "mode"))|0o700)
					at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(r, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(r, "ns"))
					_ = os.Chtimes(p, at, at)
				}
			}
		}
		copyTree(t, from, to)
		if want, got := describe(t, from), describe(t, to); got != want {
			r.Fatalf("restored\n%s\ninstead of\n%s", got, want)
		}
	})
}
