package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// describe lists everything below dir, one line each, with all that an
// archive keeps: kind, mode, owner, time, link target, content, and which
// names are one file.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	must(t, filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		must(t, err)
		name, _ := filepath.Rel(dir, p)
		s := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%q %o %d:%d %d", name, s.Mode, s.Uid, s.Gid, info.ModTime().UnixNano())
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(p)
			must(t, err)
			line += " -> " + target
			if s.Nlink > 1 && first[s.Ino] != "" {
				line += " = " + first[s.Ino]
			} else {
				first[s.Ino] = name
			}
		case info.Mode().IsRegular():
			if s.Nlink > 1 && first[s.Ino] != "" {
				line += " = " + first[s.Ino]
			} else {
				first[s.Ino] = name
				b, err := os.ReadFile(p)
				must(t, err)
				line += fmt.Sprintf(" %x", b)
			}
		}
		lines = append(lines, line)
		return nil
	}))
	return strings.Join(lines, "\n")
}

// setTime sets the time of p, or of the link itself.
func setTime(t testing.TB, p string, at time.Time) {
	t.Helper()
	info, err := os.Lstat(p)
	must(t, err)
	if info.Mode()&os.ModeSymlink == 0 {
		must(t, os.Chtimes(p, at, at))
	}
}
