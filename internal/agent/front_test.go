package agent_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// authority is an ACME directory that hangs until it is let go, and then refuses.
type authority struct {
	asked, goOn chan struct{}
}

// underAuthority is a VM that orders its certificate from one that hangs.
func (w *world) underAuthority(t *testing.T) (agent.Options, *authority) {
	t.Helper()
	a, first := &authority{asked: make(chan struct{}), goOn: make(chan struct{})}, sync.Once{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { close(a.asked) })
		select {
		case <-a.goOn:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	w.plane.Answer.ACMEDirectories = []string{s.URL + "/directory"}
	o := w.options()
	o.TLS = true
	return o, a
}

// waited reports whether the agent has waited for as long as it will: on a busy
// machine that may come before what a test does meanwhile.
func (w *world) waited() bool {
	return strings.Contains(w.log.String(), "does not wait for its certificate any longer")
}

// notRunning looks at some heartbeats after the order began.
func (w *world) notRunning(t *testing.T, a *authority) {
	t.Helper()
	<-a.asked
	w.beatsMore(t, 3)
	for _, b := range w.plane.Heartbeats() {
		if b.State == dcm.AgentRunning && !w.waited() {
			t.Fatal("it is running, and its certificate is about to come")
		}
	}
}

// TestRunningWaitsForTheCertificate, a short while, and not in vain.
func TestRunningWaitsForTheCertificate(t *testing.T) {
	t.Parallel()
	t.Run("until it is refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		o, a := w.underAuthority(t)
		w.runWith(t, o)
		w.notRunning(t, a)
		close(a.goOn)
		w.await(t, state(dcm.AgentRunning))
	})
	t.Run("no longer than a quarter of a minute", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		o, a := w.underAuthority(t)
		w.runWith(t, o)
		w.notRunning(t, a)
		w.advance(t, 15*time.Second)
		w.await(t, state(dcm.AgentRunning))
		w.await(t, func(v *agenttest.View) bool { b := v.Last().Boot; return b != nil && b.Building > 0 }) // the wait is in the trace
		close(a.goOn)
	})
	t.Run("and not at all once there may be work", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		o, a := w.underAuthority(t)
		o.ComesBack = func() bool { return true }
		r := w.runWith(t, o)
		<-a.asked
		w.advance(t, 15*time.Second)
		w.await(t, state(dcm.AgentRunning))
		r.stop()
		r.over()
		beats := len(w.plane.Heartbeats())
		w.runWith(t, o)
		w.await(t, func(v *agenttest.View) bool { return v.Beats() > beats && v.Last().State == dcm.AgentRunning })
		if n := strings.Count(w.log.String(), "does not wait for its certificate any longer"); n != 1 {
			t.Errorf("it has waited %d times", n)
		}
		close(a.goOn)
	})
	t.Run("a wish to end is heard meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		o, a := w.underAuthority(t)
		r := w.runWith(t, o)
		w.notRunning(t, a)
		w.plane.Stop(dcm.StopUser, false)
		r.over()
		if got := w.cleanup(t); !got.Discard && !w.waited() {
			t.Errorf("the cleanup is %+v", got)
		}
	})
}
