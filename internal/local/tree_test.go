package local_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustWork leaves in a workspace what work leaves: files of all kinds.
func mustWork(t *testing.T, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, content string, mode fs.FileMode) {
		t.Helper()
		path = filepath.Join(dir, path)
		check(os.MkdirAll(filepath.Dir(path), 0o755))
		check(os.WriteFile(path, []byte(content), 0o600))
		check(os.Chmod(path, mode))
	}
	noise := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(noise)
	write("binary", string(noise), 0o644)
	write("README.md", "changed\n", 0o644)
	write("secret", "0600", 0o600)
	write("bin/tool", "#!/bin/sh\n", 0o755)
	write("read-only", "0444", 0o444)
	write("empty", "", 0o640)
	write("deep/"+strings.Repeat("folder/", 30)+strings.Repeat("n", 200), "long", 0o644)
	write("ümläut 🦀 and spaces\tand\ttabs", "name", 0o644)
	check(os.Mkdir(filepath.Join(dir, "private"), 0o700))
	check(os.Mkdir(filepath.Join(dir, "empty-folder"), 0o755))
	check(os.Symlink("../outside", filepath.Join(dir, "dangling")))
	check(os.Symlink("bin/tool", filepath.Join(dir, "link")))
	check(os.Link(filepath.Join(dir, "secret"), filepath.Join(dir, "bin", "same-secret")))
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	check(os.Chtimes(filepath.Join(dir, "empty"), old, old))
	check(os.Remove(filepath.Join(dir, "notes", "2026", "november", "first.txt")))
}

// snapshot describes everything in a directory, by path: kind, mode, owner,
// content, time, where a link leads, and which names are one file.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%s %d:%d", info.Mode(), stat.Uid, stat.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x %s", sha256.Sum256(content), info.ModTime().UTC())
			if stat.Nlink > 1 {
				if first[stat.Ino] == "" {
					first[stat.Ino] = name
				}
				text += " is " + first[stat.Ino]
			}
		}
		all[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func requireSame(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%q came back as\n%s\nand was\n%s", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q came from nowhere", name)
		}
	}
}
