package tree_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func settled(t *testing.T, dir string) tree.Look {
	t.Helper()
	look, err := tree.TakeSettled(context.Background(), dir)
	must(t, err)
	if look.All == "" || look.Work == "" {
		t.Fatal("the tree does not settle")
	}
	return look
}

func TestLook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change    func(dir string) error
		all, work bool
	}{
		"nothing":  {func(string) error { return nil }, true, true},
		"reading":  {func(dir string) error { _, err := os.ReadFile(filepath.Join(dir, "f")); return err }, true, true},
		"content":  {func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), []byte("b"), 0o644) }, false, false},
		"a mode":   {func(dir string) error { return os.Chmod(filepath.Join(dir, "f"), 0o600) }, false, false},
		"a name":   {func(dir string) error { return os.Rename(filepath.Join(dir, "f"), filepath.Join(dir, "g")) }, false, false},
		"deletion": {func(dir string) error { return os.Remove(filepath.Join(dir, "sub", "deep")) }, false, false},
		"a time set back": {func(dir string) error {
			info, err := os.Stat(filepath.Join(dir, "f"))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("c"), 0o644))
			return os.Chtimes(filepath.Join(dir, "f"), info.ModTime(), info.ModTime())
		}, false, false},
		"git's index": {func(dir string) error { return os.WriteFile(filepath.Join(dir, ".git", "index"), []byte("b"), 0o644) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
			must(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
			for _, f := range []string{"f", "sub/deep", ".git/index"} {
				must(t, os.WriteFile(filepath.Join(dir, f), []byte("a"), 0o644))
			}
			before := settled(t, dir)
			must(t, c.change(dir))
			after := settled(t, dir)
			if tree.Same(before.All, after.All) != c.all || tree.Same(before.Work, after.Work) != c.work {
				t.Errorf("before %+v, after %+v", before, after)
			}
		})
	}
}

// TestLookAtAChangingTree: what was written a moment ago may be written again
// without a trace, so such a look equals nothing.
func TestLookAtAChangingTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
		look, err := tree.Take(context.Background(), dir)
		must(t, err)
		if look.All == "" && !tree.Same(look.All, look.All) {
			return
		}
	}
	t.Error("a tree that was just written counts as known")
}
