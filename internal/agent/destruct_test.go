package agent_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const ownToken = "the-tenants-token"

// provider counts what a VM asks of its provider, which has one server: the
// VM's, with these labels.
type provider struct {
	*httptest.Server
	mu              sync.Mutex
	asked, deletion int
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		switch {
		case r.Header.Get("Authorization") != "Bearer "+ownToken:
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodDelete && r.URL.Path == "/servers/7":
			p.deletion++
		default:
			_, _ = w.Write([]byte(`{"servers": [{"id": 7, "name": "dcm-` + string(agenttest.VM) + `", "labels": {"managed-by": "devcontainer-manager",
				"installation": "test", "tenant-id": "default", "vm-id": "` + string(agenttest.VM) + `"}}]}`))
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) calls() (asked, deletion int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.deletion
}

// TestSelfDestruct has cleanup fail in every way.
func TestSelfDestruct(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   agenttest.Fault
		agreed  bool
		ahead   time.Duration
		deletes bool
	}{
		"after 15 minutes":             {agenttest.Fault{Status: 503}, true, 16 * time.Minute, true},
		"also of silence":              {agenttest.Fault{LoseAnswer: true}, true, 16 * time.Minute, true},
		"also of a token that ran out": {agenttest.Fault{Status: 401, Code: dcm.CodeUnauthenticated}, true, 16 * time.Minute, true},
		"not before":                   {agenttest.Fault{Status: 503}, true, 14 * time.Minute, false},
		"not where the answer is no":   {agenttest.Fault{Status: 409, Code: dcm.CodeConflict}, true, 24 * time.Hour, false},
		"not where nobody has agreed":  {agenttest.Fault{Status: 503}, false, 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newProvider(t)
			w.plane.Answer.IdleTimeoutMinutes = 48 * 60
			if c.agreed {
				w.plane.Answer.SelfDestruct = &dcm.SelfDestruct{Provider: "hetzner", APIURL: p.URL, Token: ownToken}
			}
			c.fault.Route = "cleanup"
			w.plane.Inject(c.fault)
			r := w.run(t)
			w.await(t, state(dcm.AgentRunning))
			w.fill(t)
			w.plane.Stop(dcm.StopUser, false)
			w.await(t, func(v *agenttest.View) bool { return v.Calls("cleanup") >= 3 })
			if asked, _ := p.calls(); asked != 0 {
				t.Error("it asked its provider at once")
			}
			w.advance(t, c.ahead)
			calls := w.plane.Calls("cleanup")
			w.await(t, func(v *agenttest.View) bool { return v.Calls("cleanup") >= calls+6 })
			if _, n := p.calls(); (n > 0) != c.deletes {
				t.Errorf("%d deletions", n)
			}
			if g := w.plane.Generation(); g != 1 {
				t.Errorf("the generation is %d", g)
			}
			w.plane.Heal()
			r.over()
			if strings.Contains(w.log.String(), ownToken) {
				t.Error("the log shows the token")
			}
		})
	}
	t.Run("never unsaved", func(t *testing.T) {
		t.Parallel()
		w, p := newWorld(t), newProvider(t)
		w.plane.Answer.SelfDestruct = &dcm.SelfDestruct{Provider: "hetzner", APIURL: p.URL, Token: ownToken}
		w.plane.Inject(agenttest.Fault{Route: "start", Status: 503})
		r := w.run(t)
		w.await(t, state(dcm.AgentRunning))
		w.plane.Stop(dcm.StopUser, false)
		w.await(t, func(v *agenttest.View) bool { return v.Calls("start") >= 3 })
		w.advance(t, 24*time.Hour)
		starts := w.plane.Calls("start")
		w.await(t, func(v *agenttest.View) bool { return v.Calls("start") >= starts+10 })
		if asked, _ := p.calls(); asked != 0 {
			t.Error("it asked its provider to delete work that is in no backup")
		}
		w.plane.Heal()
		r.over()
	})
}
