package tree_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
)

// TestTheClockIsSetBack: files that were changed ten hours from now are no
// reason to see changes for the next ten hours; a real change still is one.
func TestTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(now time.Time) tree.Look {
		t.Helper()
		l, err := tree.TakeAt(t.Context(), dir, now)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	back := time.Now().Add(-10 * time.Hour)
	before := look(back)
	if !tree.Same(before.All, look(back.Add(time.Second)).All) || !tree.Same(before.Work, look(back.Add(time.Second)).Work) {
		t.Error("it seems to change all the time")
	}
	if err := os.WriteFile(file, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tree.Same(before.All, look(back.Add(time.Minute)).All) {
		t.Error("a change is not noticed")
	}
	if look(time.Now()).All != "" {
		t.Error("what changes this very moment passes for settled")
	}
}
