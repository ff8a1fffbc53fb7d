package idle_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/idle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileSampler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("a"), 0o644))
	f := &idle.FileSampler{Dir: dir}
	look := func() bool {
		t.Helper()
		active, fresh, err := f.Sample(true)
		must(t, err)
		if !fresh {
			t.Error("it did not look")
		}
		return active
	}
	if look() {
		t.Error("the first look found a change")
	}
	settle := func() { // until what was just written is old enough to be told apart
		for range 1000 {
			if !look() {
				return
			}
		}
		t.Error("it never settles")
	}
	settle()
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("b"), 0o644))
	if !look() {
		t.Error("a change of content, size and name the same, was not seen")
	}
	settle()
	must(t, os.WriteFile(filepath.Join(dir, ".git", "index"), nil, 0o644))
	if look() {
		t.Error("git's own files count as work")
	}
	must(t, os.Remove(filepath.Join(dir, "f")))
	if !look() {
		t.Error("a deletion was not seen")
	}
}

func TestFileSamplerRests(t *testing.T) {
	t.Parallel()
	f := &idle.FileSampler{Dir: t.TempDir()}
	_, first, err := f.Sample(false)
	must(t, err)
	_, again, err := f.Sample(false)
	must(t, err)
	if !first || again {
		t.Errorf("it looked: %v, and at once again: %v", first, again)
	}
}

func TestCPUSampler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var spent time.Duration
		c := &idle.CPUSampler{Spent: func() (time.Duration, error) { return spent, nil }}
		sample := func(after, computed time.Duration) bool {
			time.Sleep(after)
			spent = computed
			active, fresh, err := c.Sample(false)
			must(t, err)
			return active && fresh
		}
		if sample(0, time.Hour) {
			t.Error("what was computed before the first sample counts")
		}
		if sample(10*time.Second, 400*time.Millisecond) {
			t.Error("4 % of a core count as work")
		}
		if !sample(10*time.Second, time.Second) {
			t.Error("10 % of a core do not count as work")
		}
	})
}

func TestSpentByProcesses(t *testing.T) {
	t.Parallel()
	var now []proc.Process
	spent := idle.SpentByProcesses(func() ([]proc.Process, error) { return now, nil })
	for n, step := range []struct {
		processes []proc.Process
		want      time.Duration
	}{
		{[]proc.Process{{PID: 7, Start: 1, CPU: time.Hour}}, 0},
		{[]proc.Process{{PID: 7, Start: 1, CPU: time.Hour + time.Second}}, time.Second},
		{[]proc.Process{{PID: 7, Start: 1, CPU: time.Hour + time.Second}, {PID: 8, Start: 2, CPU: 3 * time.Second}}, 3 * time.Second},
		{[]proc.Process{{PID: 8, Start: 9, CPU: time.Second}}, time.Second}, // another process with the same id
		{nil, 0},
	} {
		now = step.processes
		got, err := spent()
		must(t, err)
		if got != step.want {
			t.Errorf("step %d: %v were spent, want %v", n, got, step.want)
		}
	}
}
