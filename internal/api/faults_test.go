package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// listed returns the tenant's VMs, newest first.
func (c caller) listed() []api.VM {
	c.w.t.Helper()
	return decode[api.Page[api.VM]](c.w.t, c.call("GET", "/vms", nil).expect(c.w.t, 200)).Items
}

// free checks that a launch that failed left neither a thing nor a slot.
func (w *world) free(c caller, code string) {
	w.t.Helper()
	w.nothingLeft()
	for _, vm := range c.listed() {
		if vm.Status != dcm.StatusStopped || *vm.StopReason != "create_failed" || vm.Error == nil || vm.Error.Code != code {
			w.t.Errorf("a failed launch is shown as %+v", vm)
		}
		if a := c.call("GET", "/workspaces/"+string(vm.WorkspaceID), nil); a.status != 404 {
			w.t.Errorf("a failed launch left its workspace: %s", a.body)
		}
	}
}

func TestFailedLaunches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  map[string]any
		status int
		code   dcm.Code
	}{
		"sold out everywhere": {map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable"}, 503, dcm.CodeCapacityUnavailable},
		"token revoked":       {map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "unauthorized"}, 424, dcm.CodeProviderAuth},
		"project full":        {map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_limit_exceeded"}, 503, dcm.CodeCapacityUnavailable},
		"DNS refuses":         {map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": "429", "count": 2}, 429, dcm.CodeRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
			user := w.user("acme")
			w.fault(c.fault)
			a := user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k")
			if a.status != c.status || a.problem.Code != c.code {
				t.Errorf("%d %s", a.status, a.body)
			}
			if again := user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k"); again.status != c.status || again.problem.Detail != a.problem.Detail {
				t.Errorf("the same key answers %d %s", again.status, again.body)
			}
			w.clearFaults()
			w.advance(2 * time.Minute)
			w.sweep()
			w.free(user, string(c.code))
			user.launch()
		})
	}
}

// TestAFailedLaunchKeepsWhatWasThere: one that was to carry a workspace on leaves
// it, though nothing of it was ever backed up; one that made it does not.
func TestAFailedLaunchKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	user.call("DELETE", "/vms/"+string(m.id)+"?force=true", nil).expect(t, 202)
	w.sweep()
	workspace := "/workspaces/" + string(vm.WorkspaceID)
	if a := user.call("GET", workspace, nil); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable"})
	user.call("POST", "/vms", map[string]any{"name": "again", "size": "small", "workspaceId": vm.WorkspaceID}).expect(t, 503)
	w.clearFaults()
	w.advance(2 * time.Minute)
	w.sweep()
	if a := user.call("GET", workspace, nil); a.status != 200 {
		t.Errorf("a launch that failed has deleted it: %d %s", a.status, a.body)
	}
	user.call("POST", "/vms", map[string]any{"name": "again", "size": "small", "workspaceId": vm.WorkspaceID}).expect(t, 201)
}

func TestCapacityFallsBackToTheNextOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable", "count": 1})
	vm := w.user("acme").launch()
	if s := w.State().Servers; len(s) != 1 || *vm.ServerType == "" {
		t.Errorf("servers %+v", s)
	}
}

// TestALostCreateAnswerIsAdopted: one server, not two, and not none.
func TestALostCreateAnswerIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "lost_answer", "count": 1})
	vm := w.user("acme").launch()
	if s := w.State().Servers; len(s) != 1 || *vm.ProviderID == "" || s[0].Name != "dcm-"+string(vm.ID) {
		t.Errorf("VM %+v, servers %+v", vm, s)
	}
}

// TestALostDNSAnswerIsAdopted: the launch goes on, and its end withdraws every
// record there is.
func TestALostDNSAnswerIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "lost_answer", "count": 1})
	vm := user.launch()
	if n := len(w.State().DNSRecords); n != 2 {
		t.Errorf("%d records, want A and AAAA", n)
	}
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	w.nothingLeft()
}

// TestAnAbandonedLaunchIsReleased: the function that launched the VM died after
// the provider had answered, before it could write so.
func TestAnAbandonedLaunchIsReleased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.fault(map[string]any{"service": "dynamodb", "operation": "UpdateItem", "mode": "error"})
	a := user.call("POST", "/vms", w.launchBody())
	w.clearFaults()
	if a.status != 500 || len(w.State().Servers) != 1 {
		t.Fatalf("%d %s with %d servers", a.status, a.body, len(w.State().Servers))
	}
	w.sweep()
	if len(w.State().Servers) != 1 {
		t.Error("the sweep released a VM whose launch might still be under way")
	}
	w.advance(dcm.LaunchDeadline)
	w.sweep()
	w.free(user, dcm.ProblemLaunchTimeout)
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	t.Run("never bootstrapped", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		vm := user.launch()
		w.advance(dcm.BootDeadline - time.Minute)
		w.sweep()
		if got := user.get(vm.ID); got.Status != dcm.StatusCreating {
			t.Errorf("ended early: %+v", got)
		}
		w.advance(2 * time.Minute)
		w.sweep()
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped || *got.StopReason != "boot_timeout" {
			t.Errorf("%+v", got)
		}
		w.nothingLeft()
	})
	t.Run("heartbeats don't postpone the boot deadline", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		vm := user.launch()
		m := w.machine(vm.ID)
		m.bootstrap()
		// Past the deadline it is told to stop, and has ten minutes to say that
		// there is work in it after all.
		for range 15 {
			w.advance(4 * time.Minute)
			m.call("POST", m.path("/heartbeat"), dcm.Heartbeat{State: dcm.AgentBooting, Phase: dcm.PhaseBuilding})
			w.sweep()
		}
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped || *got.StopReason != "boot_timeout" || got.Error == nil {
			t.Errorf("%+v", got)
		}
		w.nothingLeft()
	})
	t.Run("heartbeats don't postpone the lifetime", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		id := decodeVM(t, user, w.launchWith("maxLifetimeMinutes", 15))
		m := w.machine(id)
		m.bootstrap()
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		var last dcm.HeartbeatAnswer
		for range 8 {
			w.advance(2 * time.Minute)
			w.sweep()
			last = m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		}
		if got := user.get(id); got.Status != dcm.StatusStopping || *got.StopReason != "max_lifetime" || last.Command != dcm.CommandStop {
			t.Errorf("%+v, command %+v", got, last)
		}
	})
	t.Run("a silent VM", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.backup(0, []byte("saved"))
		w.advance(dcm.HeartbeatLostAfter + time.Minute)
		w.sweep()
		if got := user.get(vm.ID); got.Status != dcm.StatusStopping || *got.StopReason != "heartbeat_lost" {
			t.Fatalf("%+v", got)
		}
		// An hour without a control plane is no reason to lose work.
		w.advance(time.Hour)
		w.sweep()
		if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop || a.Discard {
			t.Errorf("command %+v", a)
		}
		if got := m.backup(1, []byte("late")); got.Generation != 2 {
			t.Errorf("generation %d", got.Generation)
		}
		w.advance(dcm.StopGrace)
		w.sweep() // which was away itself, and looks again
		w.advance(dcm.HeartbeatLostAfter + time.Minute)
		w.sweep()
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
			t.Errorf("still there: %+v", got)
		}
		w.nothingLeft()
	})
	t.Run("a backup that never works", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		id := decodeVM(t, user, w.launchWith("maxLifetimeMinutes", 10080))
		m := w.machine(id)
		m.bootstrap()
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		user.call("DELETE", "/vms/"+string(id), nil).expect(t, 202)
		failing := dcm.Heartbeat{State: dcm.AgentStopping, Phase: dcm.PhaseReady, Reason: dcm.StopUser, Error: &dcm.Problem{Code: dcm.ProblemBackupFailed, Message: "no bucket"}}
		for range 14 {
			w.advance(100 * time.Minute)
			w.sweep()
			m.beat(failing)
		}
		if got := user.get(id); got.Status != dcm.StatusStopping || got.Error == nil || got.Error.Code != dcm.ProblemBackupFailed {
			t.Fatalf("not kept: %+v", got)
		}
		for range 12 {
			w.advance(7*time.Minute + 30*time.Second)
			m.call("POST", m.path("/heartbeat"), failing)
			w.sweep()
		}
		if got := user.get(id); got.Status != dcm.StatusStopped {
			t.Errorf("kept for ever: %+v", got)
		}
		w.nothingLeft()
	})
}

// removeServer deletes a server behind our back, as its owner could by hand.
func (w *world) removeServer(id string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodDelete, w.Endpoint("hetzner")+"/v1/servers/"+id, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer local-hetzner-token")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != 200 {
		w.t.Fatalf("delete server by hand: %s", response.Status)
	}
}

// TestRecordRunningServerGone: two stores of truth disagree.
func TestRecordRunningServerGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, vm := w.running(user)
	w.removeServer(*vm.ProviderID)
	w.advance(dcm.HeartbeatLostAfter + time.Minute)
	w.sweep()
	// The sweep found it silent; its next look finds it gone.
	w.advance(dcm.HeartbeatLostAfter + time.Minute)
	w.sweep()
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped || *got.StopReason != "heartbeat_lost" {
		t.Errorf("%+v", got)
	}
	w.nothingLeft()
}

// TestAProviderThatFailsForAnHour: the VM is kept on record, holds its slot,
// says why, and is finished once the provider is back.
func TestAProviderThatFailsForAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
	user := w.user("acme")
	_, vm := w.running(user)
	w.fault(map[string]any{"service": "hetzner", "operation": "DeleteServer", "mode": "error", "code": "server_error"})
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	for range 6 {
		w.advance(10 * time.Minute)
		w.sweep()
	}
	got := user.get(vm.ID)
	if got.Status != dcm.StatusStopping || got.Error == nil || got.Error.Code != dcm.ProblemReleaseBlocked || len(w.State().Servers) != 1 {
		t.Errorf("%+v", got)
	}
	if a := user.call("POST", "/vms", w.launchBody()); a.problem.Code != dcm.CodeQuotaExceeded {
		t.Errorf("the slot was free while the server lived: %d %s", a.status, a.body)
	}
	w.clearFaults()
	w.advance(2 * time.Minute)
	w.sweep()
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
		t.Errorf("%+v", got)
	}
	w.nothingLeft()
	user.launch()
}

// TestLostAnswersWhileEnding: each call of a release loses its answer once;
// asked again, the VM ends, once.
func TestLostAnswersWhileEnding(t *testing.T) {
	t.Parallel()
	for _, f := range []struct{ service, operation string }{
		{"hetzner", "DeleteServer"}, {"hetzner", "GetServer"}, {"cloudflare", "DeleteRecord"}, {"dynamodb", "TransactWriteItems"}, {"dynamodb", "UpdateItem"},
	} {
		t.Run(f.service+" "+f.operation, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
			user := w.user("acme")
			m, vm := w.running(user)
			m.backup(0, []byte("x"))
			w.fault(map[string]any{"service": f.service, "operation": f.operation, "mode": "lost_answer", "count": 1})
			for range 10 {
				m.cleanup(1)
			}
			w.advance(2 * time.Minute)
			w.sweep()
			if got := user.get(vm.ID); got.Status != dcm.StatusStopped || got.Generation != 1 {
				t.Errorf("%+v", got)
			}
			w.nothingLeft()
			user.launch()
			if a := user.call("POST", "/vms", w.launchBody()); a.problem.Code != dcm.CodeQuotaExceeded {
				t.Errorf("the slot was freed twice: %d %s", a.status, a.body)
			}
		})
	}
}

func TestStopIsAskedForTenTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	for range 10 {
		got := decode[api.VM](t, user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202))
		if got.Status != dcm.StatusStopping || *got.StopReason != "user" {
			t.Errorf("%+v", got)
		}
	}
	m.backup(0, []byte("x"))
	for range 10 {
		m.cleanup(1).expect(t, 202)
	}
	got := decode[api.VM](t, user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202))
	if got.Status != dcm.StatusStopped {
		t.Errorf("%+v", got)
	}
	w.nothingLeft()
}

func TestStopWhileCreating(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	m := w.machine(vm.ID)
	got := decode[api.VM](t, user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202))
	if got.Status != dcm.StatusStopped {
		t.Errorf("nothing could be lost, and yet it is %s", got.Status)
	}
	w.nothingLeft()
	a := caller{w, m.bootToken}.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey})
	if a.status != 409 {
		t.Errorf("a stopped VM bootstraps: %d %s", a.status, a.body)
	}
}

func TestIdleEndsAVM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	since := time.Now().UTC().Truncate(time.Second)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning, IdleSince: &since, Signals: dcm.Signals{Terminal: &since}})
	if got := user.get(vm.ID); got.Idle.IdleSince == nil || got.Idle.Signals.Terminal == nil || !got.Idle.Signals.Terminal.Equal(since) {
		t.Errorf("%+v", got.Idle)
	}
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentStopping, Reason: dcm.StopIdle}); a.Command != dcm.CommandStop || a.Reason != dcm.StopIdle {
		t.Errorf("command %+v", a)
	}
	m.backup(0, []byte("x"))
	m.cleanup(1).expect(t, 202)
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped || *got.StopReason != "idle" {
		t.Errorf("%+v", got)
	}
	w.nothingLeft()
}

// TestAnAbandonedLaunchIsGivenToNobody: its record will never run, and whatever
// somebody did in it would be lost. Its key makes another VM.
func TestAnAbandonedLaunchIsGivenToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.fault(map[string]any{"service": "dynamodb", "operation": "UpdateItem", "mode": "error"})
	user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k").expect(t, 500)
	w.clearFaults()
	abandoned := user.listed()[0].ID
	w.advance(dcm.LaunchDeadline)
	w.sweep()
	w.free(user, dcm.ProblemLaunchTimeout)
	a := user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k").expect(t, 201)
	if vm := decode[api.CreatedVM](t, a); vm.ID == abandoned {
		t.Errorf("the same key answers %s, whose launch was abandoned", vm.ID)
	}
}

// TestWorkBeforeTheFirstHeartbeatCounts: the VM was ready, nobody had heard so,
// and its owner stops it.
func TestWorkBeforeTheFirstHeartbeatCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	m := w.machine(vm.ID)
	m.bootstrap()
	got := decode[api.VM](t, user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202))
	if got.Status != dcm.StatusStopping {
		t.Fatalf("status %s", got.Status)
	}
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop || a.Discard {
		t.Fatalf("command %+v", a)
	}
	if saved := m.backup(0, []byte("work")); saved.Generation != 1 {
		t.Errorf("generation %d", saved.Generation)
	}
	m.cleanup(1).expect(t, 202)
	w.nothingLeft()
}

// TestALostCreateIsWaitedFor: a server may still come to be, so nobody calls
// the VM gone before it had time to.
func TestALostCreateIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "server_error", "count": 1})
	w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "unauthorized"})
	user.call("POST", "/vms", w.launchBody()).expect(t, 424)
	w.clearFaults()
	if vm := user.listed()[0]; vm.Status != dcm.StatusStopping {
		t.Errorf("status %s right after a create that may have worked", vm.Status)
	}
	w.advance(dcm.LaunchDeadline)
	w.sweep()
	w.free(user, string(dcm.CodeProviderAuth))
}
