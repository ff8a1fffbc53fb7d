package agent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestSilenceIsCarriedOn: a run of the agent adds what passed before it, and
// nothing that only a clock says.
func TestSilenceIsCarriedOn(t *testing.T) {
	t.Parallel()
	at, fair := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), dcm.AloneAfter-dcm.AloneTry
	for name, c := range map[string]struct {
		passed, later time.Duration
		boot          string
		want          time.Duration
	}{
		"at once":                              {time.Hour, 6 * time.Second, "1", time.Hour + 6*time.Second},
		"long after, or the clock was set":     {time.Hour, 30 * 24 * time.Hour, "1", time.Hour + time.Minute},
		"the clock was set back":               {time.Hour, -50 * 365 * 24 * time.Hour, "1", time.Hour},
		"when it was over":                     {dcm.AloneAfter, time.Second, "1", dcm.AloneAfter + time.Second},
		"another boot":                         {time.Hour, 30 * 24 * time.Hour, "2", time.Hour},
		"another boot, soon over":              {dcm.AloneAfter - time.Second, time.Second, "2", fair},
		"another boot, after it was over":      {dcm.AloneAfter + time.Hour, 30 * 24 * time.Hour, "2", fair},
		"nobody knows which boot, over":        {dcm.AloneAfter, time.Second, "", fair},
		"another boot, and the clock set back": {dcm.AloneAfter, -50 * 365 * 24 * time.Hour, "2", fair},
	} {
		if got := agent.ResumedAfter(c.passed, at, at.Add(c.later), c.boot); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// noted is what the agent has noted of its silence.
type noted struct {
	Passed time.Duration `json:"passedNanoseconds"`
	At     time.Time
	Boot   string
}

func (w *world) noted() noted {
	b, _ := os.ReadFile(filepath.Join(w.state(), "state.json"))
	var s struct{ Silence noted }
	_ = json.Unmarshal(b, &s)
	return s.Silence
}

// silence is for how long the agent has noted that nobody heard it.
func (w *world) silence() time.Duration { return w.noted().Passed }

// runAlone starts an agent that nobody hears, and waits until it counts.
func (w *world) runAlone(t *testing.T, o agent.Options) *running {
	t.Helper()
	before := w.noted()
	r := w.runWith(t, o)
	w.await(t, func(*agenttest.View) bool { return w.noted() != before })
	return r
}

// silent makes the control plane answer nothing.
func (w *world) silent() {
	for _, route := range routes {
		w.plane.Inject(agenttest.Fault{Route: route, Status: 503})
	}
}

// switchable is a machine whose agent may switch it off, in its first boot.
func (w *world) switchable() (agent.Options, *atomic.Int32) {
	off := &atomic.Int32{}
	o := w.options()
	o.Boot = "1"
	o.ComesBack = func() bool { return true } // who ends it is to find it so again
	o.PowerOff = func() error { off.Add(1); return nil }
	return o, off
}

// tries waits for n more calls of the route.
func (w *world) tries(t *testing.T, route string, n int) {
	t.Helper()
	calls := w.plane.Calls(route)
	w.await(t, func(v *agenttest.View) bool { return v.Calls(route) >= calls+n })
}

// TestAloneOverRestarts: an agent that is restarted, and a machine that is booted
// again, go on counting; one that was switched on has a fair try first.
func TestAloneOverRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, off := w.switchable()
	r := w.runWith(t, o)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	work := describe(t, w.workspace())
	w.silent()
	w.advance(t, 40*time.Minute) // idle for long enough
	w.await(t, func(*agenttest.View) bool { return strings.Contains(w.log.String(), "the last backup failed") })
	again := func() {
		t.Helper()
		r.stop()
		r.over()
		r = w.runAlone(t, o)
	}

	w.advance(t, 12*time.Hour)
	w.await(t, func(*agenttest.View) bool { return w.silence() > 11*time.Hour })
	again()
	w.advance(t, 24*time.Hour)
	w.await(t, func(*agenttest.View) bool { return w.silence() > 23*time.Hour })
	if off.Load() != 0 {
		t.Fatal("switched off before its time")
	}
	again()
	w.advance(t, 25*time.Hour) // a day and twenty minutes since it was idle
	r.over()
	if off.Load() != 1 {
		t.Fatalf("switched off %d times, after its day", off.Load())
	}
	w.requirePacked(t, work)

	o.Boot = "2"
	w.advance(t, 30*24*time.Hour)
	r = w.runAlone(t, o)
	w.tries(t, "heartbeat", 3)
	w.advance(t, 30*24*time.Hour+dcm.AloneTry-5*time.Minute)
	w.await(t, func(*agenttest.View) bool { return w.silence() > dcm.AloneAfter-10*time.Minute })
	again()
	w.tries(t, "heartbeat", 3)
	if off.Load() != 1 {
		t.Fatal("switched off, and has hardly tried")
	}
	w.advance(t, 30*24*time.Hour+dcm.AloneTry+time.Minute)
	r.over()
	if off.Load() != 2 {
		t.Fatalf("switched off %d times, after a fair try", off.Load())
	}

	o.Boot = "3"
	r = w.runWith(t, o)
	w.tries(t, "heartbeat", 2)
	w.plane.Heal() // whoever switched it on is there by now
	r.over()
	if got := w.cleanup(t); got.Discard || got.Generation != 1 || off.Load() != 2 {
		t.Errorf("switched off %d times, the cleanup is %+v", off.Load(), got)
	}
}

// TestHeardOnce: one heartbeat that is taken, in whatever run, begins the day anew.
func TestHeardOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, off := w.switchable()
	r := w.runWith(t, o)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	w.silent()
	w.advance(t, 40*time.Minute)
	w.await(t, func(*agenttest.View) bool { return strings.Contains(w.log.String(), "the last backup failed") })
	w.advance(t, 23*time.Hour)
	w.await(t, func(*agenttest.View) bool { return w.silence() > 22*time.Hour })
	r.stop()
	r.over()
	w.plane.Heal()
	w.plane.Inject(agenttest.Fault{Route: "put", Status: 503})
	r = w.runWith(t, o)
	w.beatsMore(t, 1)
	w.tries(t, "put", 2)
	w.silent()
	w.advance(t, 46*time.Hour)
	w.await(t, func(*agenttest.View) bool { return w.silence() > 22*time.Hour })
	if off.Load() != 0 {
		t.Fatal("switched off, though it was heard")
	}
	w.advance(t, 48*time.Hour)
	r.over()
	if off.Load() != 1 {
		t.Errorf("switched off %d times", off.Load())
	}
}

// TestNeverBegun: a VM that gets no answer to its first call, or whose token is
// refused, switches itself off after a day, over restarts.
func TestNeverBegun(t *testing.T) {
	t.Parallel()
	unanswered := func(w *world) { w.silent() }
	refused := func(w *world) {
		w.plane.Inject(agenttest.Fault{Route: "bootstrap", Status: 401, Code: dcm.CodeUnauthenticated})
	}
	for name, then := range map[string]func(*world){"unanswered": unanswered, "then refused": refused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o, off := w.switchable()
			w.plane.Answer.ExpiresAt = time.Now().Add(7 * 24 * time.Hour)
			unanswered(w)
			r := w.runWith(t, o)
			w.tries(t, "bootstrap", 2)
			w.advance(t, dcm.AloneAfter-3*time.Minute)
			w.await(t, func(*agenttest.View) bool { return w.silence() > dcm.AloneAfter-4*time.Minute })
			r.stop()
			r.over()
			w.plane.Heal()
			then(w)
			for restarts := range time.Duration(10) { // as systemd does, while it fails
				w.advance(t, dcm.AloneAfter+(restarts-2)*time.Minute)
				if name == "unanswered" {
					r = w.runAlone(t, o)
					w.advance(t, dcm.AloneAfter+3*time.Minute)
				} else {
					r = w.runWith(t, o)
				}
				if err := r.ended(); err == nil {
					break
				} else if off.Load() != 0 || restarts > 4 {
					t.Fatalf("switched off %d times, restarted %d times: %v", off.Load(), restarts, err)
				}
			}
			if off.Load() != 1 {
				t.Fatalf("switched off %d times", off.Load())
			}
			if name == "unanswered" {
				o.Boot = "2" // switched on by whoever it is
				w.runWith(t, o)
				w.tries(t, "bootstrap", 2)
				w.plane.Heal()
				w.await(t, state(dcm.AgentRunning))
				if off.Load() != 1 {
					t.Error("switched off again")
				}
			}
		})
	}
	t.Run("on a machine that is not its own", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		unanswered(w)
		r := w.runWith(t, w.options())
		w.tries(t, "bootstrap", 2)
		w.advance(t, dcm.AloneAfter+time.Minute)
		r.over() // it gives up, and nothing is switched off
	})
}

// TestNeverReady: a VM that could not make its workspace, and can tell nobody,
// switches itself off likewise.
func TestNeverReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.Repository = dcm.Repository{URL: "file://" + w.repo + "-that-is-not"}
	w.plane.Answer.ExpiresAt = time.Now().Add(7 * 24 * time.Hour)
	o, off := w.switchable()
	w.plane.Inject(agenttest.Fault{Route: "heartbeat", Status: 503})
	r := w.runWith(t, o)
	w.await(t, func(*agenttest.View) bool { return strings.Contains(w.log.String(), "the workspace can't be made") })
	w.advance(t, 2*time.Minute)
	w.await(t, func(*agenttest.View) bool { return !w.noted().At.IsZero() }) // it counts
	w.advance(t, 12*time.Hour)
	w.await(t, func(*agenttest.View) bool { return w.silence() > 11*time.Hour })
	r.stop()
	r.over()
	r = w.runAlone(t, o)
	w.advance(t, dcm.AloneAfter+time.Hour)
	r.over()
	if off.Load() != 1 {
		t.Errorf("switched off %d times", off.Load())
	}
}
