package agent_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// visit asks the VM's gateway for a page, as its user.
func (w *world) visit(t *testing.T, label string) (int, string) {
	t.Helper()
	port, err := os.ReadFile(filepath.Join(w.root, "port"))
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+string(port)+"/", nil)
	must(t, err)
	r.Host = fmt.Sprintf("%s.%s:%s", label, w.plane.Answer.Hostname, port)
	r.SetBasicAuth("user", agenttest.Password)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(b)
}

var routes = []string{"bootstrap", "heartbeat", "start", "parts", "put", "complete", "cleanup"}

// TestTheControlPlaneIsAwayForAnHour: the workspace works as before, and once
// the control plane is back, what was done meanwhile is saved.
func TestTheControlPlaneIsAwayForAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 24 * 60
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the app") }))
	defer server.Close()
	app, err := url.Parse(server.URL)
	must(t, err)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	for i, route := range routes {
		// Some calls are answered by what stands in front, others by nobody.
		w.plane.Inject(agenttest.Fault{Route: route, Status: 503, Count: 2 + i})
		w.plane.Inject(agenttest.Fault{Route: route, Before: func() { panic(http.ErrAbortHandler) }})
	}
	w.fill(t)
	for minutes := 20; minutes <= 60; minutes += 20 {
		w.advance(t, time.Duration(minutes)*time.Minute)
		calls, starts := w.plane.Calls("heartbeat"), w.plane.Calls("start")
		w.await(t, func(v *agenttest.View) bool { return v.Calls("heartbeat") > calls+3 && v.Calls("start") > starts })
		if status, body := w.visit(t, "ui"); status != http.StatusOK || !strings.Contains(body, "<html") {
			t.Errorf("after %d minutes the terminal page is %d", minutes, status)
		}
		if status, body := w.visit(t, app.Port()); status != http.StatusOK || body != "the app" {
			t.Errorf("after %d minutes the port answers %d %q", minutes, status, body)
		}
	}
	if w.plane.Generation() != 0 || len(w.plane.Cleanups()) != 0 {
		t.Error("something got through")
	}
	work := describe(t, w.workspace())
	w.plane.Heal()
	w.advance(t, 63*time.Minute)
	w.await(t, func(v *agenttest.View) bool {
		return v.Generation() == 1 && v.Last().State == dcm.AgentRunning && v.Last().Error == nil
	})
	r.stop()
	r.over()
	if got := w.cleanup(t); got != (dcm.Cleanup{Reason: dcm.StopUser, Generation: w.plane.Generation()}) {
		t.Errorf("the cleanup is %+v, the workspace at %d", got, w.plane.Generation())
	}
	w.newVM(t)
	r = w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if got := describe(t, w.workspace()); got != work {
		t.Errorf("the next VM has\n%s\ninstead of\n%s", got, work)
	}
	r.stop()
	r.over()
}

// TestABootstrapTokenThatRanOut: the VM does not go on, and says why.
func TestABootstrapTokenThatRanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Inject(agenttest.Fault{Route: "bootstrap", Status: 401, Code: dcm.CodeUnauthenticated})
	r := w.run(t)
	select {
	case err := <-r.done:
		if err == nil || !strings.Contains(err.Error(), "works once, for 30 minutes") || strings.Contains(err.Error(), agenttest.BootstrapToken) {
			t.Errorf("it says %v", err)
		}
	case <-time.After(limit):
		t.Fatal("it does not end")
	}
	if left, _ := os.ReadDir(w.workspace()); len(left) != 0 {
		t.Error("it made a workspace")
	}
}

// TestATokenThatRanOut: a VM that was cut off for longer than its token lives
// is refused, and neither ends nor forgets anything: it carries on when it is
// let in again.
func TestATokenThatRanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 24 * 60
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	work := describe(t, w.workspace())
	for _, route := range routes {
		w.plane.Inject(agenttest.Fault{Route: route, Status: 401, Code: dcm.CodeUnauthenticated})
	}
	w.advance(t, 16*time.Minute)
	calls := w.plane.Calls("heartbeat")
	w.await(t, func(v *agenttest.View) bool { return v.Calls("heartbeat") > calls+5 && v.Calls("start") > 0 })
	if status, _ := w.visit(t, "ui"); status != http.StatusOK {
		t.Errorf("the terminal page is %d", status)
	}
	r.stop() // though somebody wishes it to end
	starts := w.plane.Calls("start")
	w.await(t, func(v *agenttest.View) bool { return v.Calls("start") > starts+3 })
	if w.plane.Calls("cleanup") != 0 || describe(t, w.workspace()) != work {
		t.Error("it let the work go")
	}
	w.plane.Heal()
	r.over()
	if got := w.cleanup(t); got.Discard || got.Generation != 1 || w.plane.Generation() != 1 {
		t.Errorf("the cleanup is %+v", got)
	}
}
