package agent_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// beatsMore waits for n more heartbeats.
func (w *world) beatsMore(t *testing.T, n int) {
	t.Helper()
	beats := len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool { return v.Beats() >= beats+n })
}

// TestAWrongClockEndsNothing: a machine whose time of day was never set right,
// as far as the agent can know it, lives as long as the control plane says.
func TestAWrongClockEndsNothing(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]time.Duration{"fast": 30 * 24 * time.Hour, "slow": -30 * 24 * time.Hour, "in 1976": -50 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.plane.Answer.IdleTimeoutMinutes = 1440
			w.setClock(t, wrong)
			r := w.run(t)
			w.await(t, state(dcm.AgentRunning))
			w.await(t, func(v *agenttest.View) bool {
				w.write(t, "work") // again, for the first look only learns what there is
				return v.Last().Signals.Files != nil
			})
			beats := w.plane.Heartbeats()
			if at := *beats[len(beats)-1].Signals.Files; time.Since(at).Abs() > time.Hour {
				t.Errorf("it is %v, and work was told of at %v", time.Now(), at)
			}
			if last := beats[len(beats)-1]; last.State != dcm.AgentRunning {
				t.Fatalf("it is %s, %s", last.State, last.Reason)
			}

			// Its time is over when the control plane's clock says so.
			w.plane.Advance(13 * time.Hour)
			r.over()
			if got := w.cleanup(t); got.Reason != dcm.StopMaxLifetime || got.Generation != 1 {
				t.Errorf("the cleanup is %+v", got)
			}
		})
	}
}

// TestAClockSetBackKeepsNothing: a jump that makes every sign of work lie in the
// future does not keep a VM that nobody uses.
func TestAClockSetBackKeepsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.setClock(t, -10*time.Hour)
	w.beatsMore(t, 3)
	if n := w.plane.Calls("cleanup"); n != 0 {
		t.Error("it ended")
	}
	w.setClock(t, -10*time.Hour+31*time.Minute)
	r.over()
	if got := w.cleanup(t); got.Reason != dcm.StopIdle || got.Generation != 1 {
		t.Errorf("the cleanup is %+v", got)
	}
}

// TestHeartbeatsGoOnAfterAJump: no jump makes the control plane think that the
// VM is lost, nor keeps it from saving now and then.
func TestHeartbeatsGoOnAfterAJump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 1440
	w.run(t)
	w.await(t, state(dcm.AgentRunning))
	for generation, ahead := range []time.Duration{10 * time.Hour, -10 * time.Hour} {
		w.write(t, filepath.Base(ahead.String()))
		w.setClock(t, ahead)
		w.beatsMore(t, 3)
		w.setClock(t, ahead+16*time.Minute)
		w.await(t, func(v *agenttest.View) bool { return v.Generation() == int64(generation)+1 })
	}
}
