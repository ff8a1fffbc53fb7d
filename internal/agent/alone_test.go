package agent_test

import (
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestAloneForGood: an idle VM whose control plane never answers again packs what
// it could not upload and switches itself off; switched on again, and heard again,
// it saves and ends as any other.
func TestAloneForGood(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]agenttest.Fault{
		"silent":    {LoseAnswer: true},
		"failing":   {Status: 503},
		"a refusal": {Status: 401, Code: dcm.CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var off atomic.Int32
			o := w.options()
			o.PowerOff = func() error { off.Add(1); return nil }
			r := w.runWith(t, o)
			w.await(t, state(dcm.AgentRunning))
			w.fill(t)
			work := describe(t, w.workspace())
			for _, route := range routes {
				fault.Route = route
				w.plane.Inject(fault)
			}
			w.advance(t, 40*time.Minute) // idle for long enough
			w.await(t, func(*agenttest.View) bool { return strings.Contains(w.log.String(), "the last backup failed") })
			if w.advance(t, dcm.AloneAfter); off.Load() != 0 {
				t.Error("switched off before its time")
			}
			w.advance(t, dcm.AloneAfter+2*time.Hour)
			r.over()
			if off.Load() != 1 || w.plane.Calls("cleanup") != 0 {
				t.Fatalf("switched off %d times, after %d cleanups", off.Load(), w.plane.Calls("cleanup"))
			}
			w.requirePacked(t, work)
			w.plane.Heal()
			w.runWith(t, o).over()
			if got := w.cleanup(t); got.Discard || got.Generation != 1 || describe(t, w.workspace()) != work {
				t.Errorf("the cleanup is %+v", got)
			}
		})
	}
}

// requirePacked wants the work, in a file for root alone.
func (w *world) requirePacked(t *testing.T, work string) {
	t.Helper()
	path := filepath.Join(w.state(), "unsaved-workspace.tar.gz")
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if left, _ := fs.Glob(os.DirFS(w.state()), "*.part"); len(left) != 0 {
		t.Errorf("left is %v", left)
	}
	unpacked, err := gzip.NewReader(file)
	must(t, err)
	dir := t.TempDir()
	_, err = archive.Restore(t.Context(), unpacked, dir, archive.Options{KeepOutsideSymlinks: true})
	must(t, err)
	if got := describe(t, dir); got != work {
		t.Errorf("packed is\n%s\nwant\n%s", got, work)
	}
}

// TestNotAlone: while the control plane takes heartbeats it decides, however long
// a backup fails.
func TestNotAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options()
	o.PowerOff = func() error { t.Error("switched off"); return nil }
	r := w.runWith(t, o)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	w.plane.Inject(agenttest.Fault{Route: "put", Status: 503})
	w.plane.Stop(dcm.StopUser, false)
	w.await(t, func(v *agenttest.View) bool { return v.Calls("put") > 3 })
	for day := range 3 {
		w.advance(t, time.Duration(day+1)*(dcm.AloneAfter-time.Hour))
		calls := w.plane.Calls("heartbeat")
		w.await(t, func(v *agenttest.View) bool { return v.Calls("heartbeat") > calls+1 })
	}
	w.plane.Heal()
	r.over()
	if got := w.cleanup(t); got.Generation != 1 {
		t.Errorf("the cleanup is %+v", got)
	}
}
