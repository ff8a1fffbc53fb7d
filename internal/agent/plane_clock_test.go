package agent_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestAWrongClock boots a VM whose clock is a day ahead of the control
// plane's: its life, which by its own clock is over, has just begun.
func TestAWrongClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 24 * 60
	w.planeAhead = -24 * time.Hour
	w.advance(t, 24*time.Hour)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	beats := 0
	w.await(t, func(v *agenttest.View) bool {
		if beats == 0 {
			beats = v.Beats()
		}
		return v.Beats() > beats+2
	})
	if n := len(w.plane.Cleanups()); n != 0 {
		t.Fatal("it has ended")
	}
	w.advance(t, 37*time.Hour) // and now it is over by both
	r.over()
	if got := w.cleanup(t); got.Reason != dcm.StopMaxLifetime {
		t.Errorf("the cleanup is %+v", got)
	}
}
