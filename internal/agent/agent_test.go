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

// TestWorkIsCarriedOn is the agent's whole life, twice.
func TestWorkIsCarriedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	for name, want := range map[string]string{"README.md": "repo\n", "lib/README.md": "library\n"} {
		if b, err := os.ReadFile(filepath.Join(w.workspace(), name)); string(b) != want {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
	w.fill(t)
	before := describe(t, w.workspace())
	w.plane.Stop(dcm.StopUser, false)
	first.over()
	if got, want := w.cleanup(t), (dcm.Cleanup{Reason: dcm.StopUser, Generation: 1}); got != want {
		t.Errorf("the cleanup is %+v, want %+v", got, want)
	}
	var phases []string
	for _, b := range w.plane.Heartbeats() {
		if p := string(b.State) + " " + string(b.Phase); len(phases) == 0 || phases[len(phases)-1] != p {
			phases = append(phases, p)
		}
	}
	if got := strings.Join(phases, ", "); !strings.HasSuffix(got, "running ready, stopping ready") {
		t.Errorf("the phases are %s", got)
	}
	if b := w.plane.Heartbeats(); b[len(b)-1].Runtime != "host" || b[len(b)-1].Version != "test" {
		t.Errorf("the last heartbeat is %+v", b[len(b)-1])
	}

	w.newVM(t)
	second := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if after := describe(t, w.workspace()); after != before {
		t.Errorf("the second VM has\n%s\ninstead of\n%s", after, before)
	}

	t.Run("and nothing is uploaded when nothing changed", func(t *testing.T) {
		second.stop() // as SIGTERM does
		second.over()
		if got, want := w.cleanup(t), (dcm.Cleanup{Reason: dcm.StopUser, Generation: 1}); got != want {
			t.Errorf("the cleanup is %+v, want %+v", got, want)
		}
		if n := w.plane.Calls("start"); n != 0 {
			t.Errorf("%d backups were started", n)
		}
	})
	t.Run("and a VM that is over does not begin again", func(t *testing.T) {
		calls := w.plane.Calls("bootstrap")
		w.run(t).over()
		if w.plane.Calls("bootstrap") != calls || len(w.plane.Cleanups()) != 1 {
			t.Error("it called again")
		}
	})
}

func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	config, err := os.ReadFile(w.config())
	must(t, err)
	if strings.Contains(string(config), agenttest.BootstrapToken) {
		t.Error("the bootstrap token is still on the disk")
	}
	for _, name := range []string{w.config(), filepath.Join(w.state(), "state.json"), filepath.Join(w.state(), "agent.key")} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(name), info.Mode().Perm())
		}
	}
	w.fill(t)
	w.plane.Stop(dcm.StopUser, false)
	r.over()
	w.newVM(t)
	r = w.run(t)
	w.await(t, state(dcm.AgentRunning))
	r.stop()
	r.over()
	stored, err := os.ReadFile(filepath.Join(w.state(), "state.json"))
	must(t, err)
	if strings.Contains(string(stored), "AGE-SECRET") {
		t.Error("the workspace's key is still on the disk after the restore")
	}
	for _, secret := range []string{agenttest.BootstrapToken, agenttest.FirstVMToken, agenttest.Password, "AGE-SECRET", "/storage/"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

func TestLostAnswersCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, route := range []string{"bootstrap", "heartbeat", "start", "parts", "put", "complete", "cleanup"} {
		w.plane.Inject(agenttest.Fault{Route: route, Count: 2, LoseAnswer: true})
		w.plane.Inject(agenttest.Fault{Route: route, After: 2, Count: 1, Status: 503})
	}
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	w.plane.Stop(dcm.StopUser, false)
	r.over()
	if g := w.plane.Generation(); g != 1 {
		t.Errorf("the generation is %d", g)
	}
	for _, c := range w.plane.Cleanups() {
		if c.Generation != 1 || c.Discard {
			t.Errorf("a cleanup is %+v", c)
		}
	}
}

func TestTokenIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.plane.RotateToken("vm-token-2")
	beats := len(w.plane.Heartbeats())
	// Two more: one brings the token, the next is accepted with it.
	w.await(t, func(v *agenttest.View) bool { return v.Beats() >= beats+2 })
	stored, err := os.ReadFile(filepath.Join(w.state(), "state.json"))
	must(t, err)
	if !strings.Contains(string(stored), "vm-token-2") {
		t.Error("the fresh token is not kept")
	}
	r.stop()
	r.over()
	if len(w.plane.Cleanups()) != 1 {
		t.Error("no cleanup with the fresh token")
	}
}

func TestForgottenVMEndsQuietly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.plane.Forget()
	r.over()
	if w.plane.Calls("start") != 0 || w.plane.Calls("cleanup") != 0 {
		t.Error("it backed up or cleaned up for a control plane that does not know it")
	}
	t.Run("but a missing route says nothing about the VM", func(t *testing.T) {
		w := newWorld(t)
		w.plane.Inject(agenttest.Fault{Route: "heartbeat", After: 1, Count: 3, Status: 404})
		r := w.run(t)
		w.await(t, state(dcm.AgentRunning))
		r.stop()
		r.over()
		if len(w.plane.Cleanups()) != 1 {
			t.Error("it ended without a cleanup")
		}
	})
}

func TestStolenTokenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Inject(agenttest.Fault{Route: "bootstrap", Status: 403, Code: dcm.CodeForbidden})
	r := w.run(t)
	select {
	case err := <-r.done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(limit):
		t.Fatal("it does not give up")
	}
	if n := w.plane.Calls("bootstrap"); n != 1 {
		t.Errorf("%d calls", n)
	}
}
