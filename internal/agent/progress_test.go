package agent_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// incompressible makes a file of so many bytes that no compression makes small.
func (w *world) incompressible(t *testing.T, name string, size int64) {
	t.Helper()
	var b bytes.Buffer
	_, err := io.CopyN(&b, rand.Reader, size)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(w.workspace(), name), b.Bytes(), 0o644))
}

// gate holds up what passes until it is opened.
type gate struct {
	once   sync.Once
	opened chan struct{}
}

func newGate(t *testing.T) *gate {
	g := &gate{opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }
func (g *gate) wait() { <-g.opened }

// TestATroubledBackupIsToldAtOnce: the alarm does not wait until a step of the
// backup has failed for good.
func TestATroubledBackupIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"start", "parts", "put", "complete"} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.run(t)
			w.await(t, state(dcm.AgentRunning))
			w.fill(t)
			told := newGate(t)
			// The third try is made when the first two have been heard of.
			w.plane.Inject(agenttest.Fault{Route: route, Status: 503, Count: 2})
			w.plane.Inject(agenttest.Fault{Route: route, After: 2, Count: 1, Before: told.wait})
			w.plane.Stop(dcm.StopUser, false)
			w.await(t, func(v *agenttest.View) bool {
				e := v.Last().Error
				return v.Last().State == dcm.AgentStopping && e != nil && e.Code == dcm.ProblemBackupFailed && strings.Contains(e.Message, "tried again")
			})
			told.open()
			r.over()
			if got := w.cleanup(t); got.Generation != 1 || w.plane.Calls("start") > 3 {
				t.Errorf("the cleanup is %+v after %d starts", got, w.plane.Calls("start"))
			}
			beats := w.plane.Heartbeats()
			if last := beats[len(beats)-1]; last.Error != nil && last.Backup == nil {
				t.Errorf("the last heartbeat still says %+v", last.Error)
			}
		})
	}
}

// TestABackupTellsHowFarItIs: that is how the control plane knows that it moves.
func TestABackupTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if b := w.plane.Heartbeats(); b[len(b)-1].Backup != nil {
		t.Errorf("there is a backup: %+v", b[len(b)-1].Backup)
	}
	w.incompressible(t, "large", 4<<20)
	told := newGate(t)
	w.plane.Inject(agenttest.Fault{Route: "put", After: 2, Before: told.wait})
	w.plane.Stop(dcm.StopUser, false)
	w.await(t, func(v *agenttest.View) bool {
		return v.Last().Backup.Moves() && v.Last().Backup.Bytes == 2*w.plane.PartBytes
	})
	told.open()
	r.over()
	if got := w.cleanup(t); got.Generation != 1 {
		t.Errorf("the cleanup is %+v", got)
	}
}
