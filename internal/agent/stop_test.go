package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func (w *world) advance(t *testing.T, ahead time.Duration) {
	t.Helper()
	w.plane.Advance(ahead)
	w.setClock(t, ahead)
}

// setClock moves the VM's clock alone, all at once: half a file reads as none.
func (w *world) setClock(t *testing.T, ahead time.Duration) {
	t.Helper()
	must(t, os.WriteFile(w.clock+".new", []byte(ahead.String()), 0o600))
	must(t, os.Rename(w.clock+".new", w.clock))
}

func TestStopsByItself(t *testing.T) {
	t.Parallel()
	for reason, ahead := range map[dcm.StopReason]time.Duration{
		dcm.StopIdle: 40 * time.Minute, dcm.StopMaxLifetime: 13 * time.Hour,
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if reason == dcm.StopMaxLifetime {
				w.plane.Answer.IdleTimeoutMinutes = 24 * 60
			}
			r := w.run(t)
			w.await(t, state(dcm.AgentRunning))
			w.advance(t, ahead)
			r.over()
			if got, want := w.cleanup(t), (dcm.Cleanup{Reason: reason, Generation: w.plane.Generation()}); got != want || got.Generation < 1 {
				t.Errorf("the cleanup is %+v, want %+v", got, want)
			}
			for _, b := range w.plane.Heartbeats() {
				if b.State == dcm.AgentStopping && b.Reason != reason {
					t.Errorf("a heartbeat is %+v", b)
				}
			}
		})
	}
}

// TestWorkKeepsIt lets a program work in the workspace while the clock jumps.
func TestWorkKeepsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	ended := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				_ = os.WriteFile(filepath.Join(w.workspace(), "output"), []byte(strings.Repeat("x", n)), 0o644)
			}
		}
	}()
	w.advance(t, 40*time.Minute)
	kept := time.Now()
	w.await(t, func(v *agenttest.View) bool {
		b := v.Last()
		return b.Signals.Files != nil && b.Signals.Files.After(kept.Add(40*time.Minute)) && time.Since(kept) > 5*time.Second
	})
	if n := w.plane.Calls("cleanup"); n != 0 {
		t.Error("it ended although files changed")
	}
	close(stop)
	<-ended
	// The last change is noticed before the clock jumps, not after.
	beats := len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool { return v.Beats() >= beats+4 })
	w.advance(t, 90*time.Minute)
	r.over()
	if got := w.cleanup(t); got.Reason != dcm.StopIdle {
		t.Errorf("the cleanup is %+v", got)
	}
}

func TestDiscardSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.plane.Stop(dcm.StopUser, true)
	r.over()
	if got := w.cleanup(t); !got.Discard || w.plane.Calls("start") != 0 {
		t.Errorf("the cleanup is %+v after %d backups", got, w.plane.Calls("start"))
	}
}

func TestBackupsWhileRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 1440
	w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.advance(t, 16*time.Minute)
	w.await(t, func(v *agenttest.View) bool { return v.Generation() == 1 })
	starts := w.plane.Calls("start")
	t.Run("not when nothing changed", func(t *testing.T) {
		w.advance(t, 64*time.Minute)
		beats := len(w.plane.Heartbeats())
		w.await(t, func(v *agenttest.View) bool { return v.Beats() >= beats+3 })
		if n := w.plane.Calls("start"); n != starts {
			t.Errorf("%d backups more", n-starts)
		}
	})
	t.Run("and again when something did", func(t *testing.T) {
		must(t, os.WriteFile(filepath.Join(w.workspace(), "new"), nil, 0o644))
		w.advance(t, 128*time.Minute)
		w.await(t, func(v *agenttest.View) bool { return v.Generation() == 2 })
	})
	t.Run("a failure is told, and forgotten when it is over", func(t *testing.T) {
		must(t, os.WriteFile(filepath.Join(w.workspace(), "newer"), nil, 0o644))
		w.plane.Inject(agenttest.Fault{Route: "start", Status: 409, Code: dcm.CodeConflict})
		w.advance(t, 192*time.Minute)
		w.await(t, func(v *agenttest.View) bool {
			e := v.Last().Error
			return e != nil && e.Code == dcm.ProblemBackupFailed && v.Last().State == dcm.AgentRunning
		})
		w.plane.Heal()
		w.advance(t, 256*time.Minute)
		w.await(t, func(v *agenttest.View) bool { return v.Generation() == 3 && v.Last().Error == nil })
	})
}

// TestNothingUnsavedGoes keeps the last backup from succeeding.
func TestNothingUnsavedGoes(t *testing.T) {
	t.Parallel()
	failing := func(v *agenttest.View) bool {
		b := v.Last()
		return b.State == dcm.AgentStopping && b.Error != nil && b.Error.Code == dcm.ProblemBackupFailed
	}
	t.Run("until it is saved", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		r := w.run(t)
		w.await(t, state(dcm.AgentRunning))
		w.fill(t)
		w.plane.Inject(agenttest.Fault{Route: "put", Status: 500})
		w.plane.Stop(dcm.StopUser, false)
		w.await(t, failing)
		if w.plane.Calls("cleanup") != 0 {
			t.Error("it cleaned up unsaved")
		}
		w.plane.Heal()
		r.over()
		if got := w.cleanup(t); got.Generation != 1 || got.Discard {
			t.Errorf("the cleanup is %+v", got)
		}
	})
	t.Run("not over a newer generation, until the user lets the work go", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		r := w.run(t)
		w.await(t, state(dcm.AgentRunning))
		w.plane.Overtake()
		w.plane.Stop(dcm.StopUser, false)
		w.await(t, failing)
		if b := w.plane.Heartbeats(); !strings.Contains(b[len(b)-1].Error.Message, "would overwrite newer work") {
			t.Errorf("the problem is %+v", b[len(b)-1].Error)
		}
		w.plane.Stop(dcm.StopUser, true)
		r.over()
		if got := w.cleanup(t); !got.Discard || w.plane.Calls("parts") != 0 {
			t.Errorf("the cleanup is %+v", got)
		}
	})
}

func TestFailedRestoreNeverBacksUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	w.plane.Stop(dcm.StopUser, false)
	r.over()
	for name, fault := range map[string]agenttest.Fault{
		"damaged": {Route: "get", Damage: 5000}, "gone": {Route: "get", Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			w.newVM(t)
			w.plane.Inject(fault)
			r := w.run(t)
			w.await(t, func(v *agenttest.View) bool {
				b := v.Last()
				return b.State == dcm.AgentFailed && b.Error != nil && b.Error.Code == dcm.ProblemRestoreFailed && b.Phase == dcm.PhaseRestoring
			})
			w.plane.Stop(dcm.StopCreateFailed, true)
			r.over()
			if got := w.cleanup(t); !got.Discard || got.Generation != 1 {
				t.Errorf("the cleanup is %+v", got)
			}
			if w.plane.Calls("start") != 0 || w.plane.Generation() != 1 {
				t.Error("it touched the backup")
			}
			if _, err := os.Stat(w.workspace()); !os.IsNotExist(err) {
				t.Errorf("something of it appeared: %v", err)
			}
		})
	}
}

func TestFailedCloneIsToldInGitsWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.Repository.Branch = "no-such-branch"
	r := w.run(t)
	w.await(t, func(v *agenttest.View) bool { return v.Last().State == dcm.AgentFailed })
	beats := w.plane.Heartbeats()
	last := beats[len(beats)-1]
	if last.Error == nil || last.Error.Code != dcm.ProblemCloneFailed || !strings.Contains(last.Error.Message, "Remote branch no-such-branch not found") {
		t.Errorf("the problem is %+v", last.Error)
	}
	w.plane.Stop(dcm.StopCreateFailed, true)
	r.over()
	if got := w.cleanup(t); !got.Discard || w.plane.Calls("start") != 0 {
		t.Errorf("the cleanup is %+v", got)
	}
}
