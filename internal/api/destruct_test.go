package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/server"
	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// agreed is the tenant's own account with selfDestruct.
func (w *world) agreed() map[string]any {
	body := w.providerBody()
	body["selfDestruct"] = "provider"
	return body
}

// TestSelfDestructIsForWhoAgreed: a provider's token is in the bootstrap answer
// of a VM on its tenant's own account that says so, and nowhere else.
func TestSelfDestructIsForWhoAgreed(t *testing.T) {
	t.Parallel()
	booted := func(w *world, user caller) (*machine, *dcm.SelfDestruct) {
		vm := user.launch()
		m := w.machine(vm.ID)
		return m, m.bootstrap().SelfDestruct
	}
	t.Run("on the account that agreed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user, other := w.user("acme"), w.user("other")
		added := user.call("POST", "/tenant/providers", w.agreed()).expect(t, 201)
		if v := decode[api.AddedProvider](t, added); v.SelfDestruct == nil || *v.SelfDestruct != "provider" {
			t.Errorf("%s", added.body)
		}
		shown := user.call("GET", "/tenant", nil).expect(t, 200)
		if v := decode[api.Tenant](t, shown).CloudProviders["hetzner"].SelfDestruct; v == nil || *v != "provider" {
			t.Errorf("%s", shown.body)
		}
		m, got := booted(w, user)
		if got == nil || got.Token != ownToken || got.Provider != "hetzner" || got.APIURL != w.Endpoint("hetzner")+"/v1" {
			t.Errorf("the answer has %+v", got)
		}
		if _, got := booted(w, other); got != nil {
			t.Errorf("another tenant's VM has %+v", got)
		}
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
		answers := []answer{added, shown}
		for _, c := range []caller{user, other} {
			for _, path := range []string{"/tenant", "/tenant/events", "/tenant/usage", "/tenant/orphans", "/vms", "/workspaces", "/_local/state"} {
				answers = append(answers, c.call("GET", path, nil).expect(t, 200))
			}
		}
		answers = append(answers, user.call("GET", "/vms/"+string(m.id), nil).expect(t, 200))
		w.keepsSecret([]string{ownToken}, answers...)
	})
	t.Run("not on the same tenant's account without it, nor on one that took it back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		if _, got := booted(w, user); got != nil {
			t.Errorf("without it: %+v", got)
		}
		user.call("POST", "/tenant/providers", w.agreed()).expect(t, 201)
		if _, got := booted(w, user); got == nil {
			t.Error("with it: nothing")
		}
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		if _, got := booted(w, user); got != nil {
			t.Errorf("taken back: %+v", got)
		}
		if v := user.tenant().CloudProviders["hetzner"].SelfDestruct; v != nil {
			t.Errorf("GET says %q", *v)
		}
	})
	t.Run("not for a VM on the platform's account, though the tenant's own agrees since", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		m, saved := w.running(user)
		m.backup(0, []byte("work"))
		m.cleanup(1).expect(t, 202)
		fresh := user.launch()
		resumed := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(saved.WorkspaceID)).expect(t, 201))
		user.call("POST", "/tenant/providers", w.agreed()).expect(t, 201)
		for _, id := range []dcm.VMID{fresh.ID, resumed.ID} {
			if got := w.machine(id).bootstrap().SelfDestruct; got != nil {
				t.Errorf("it has %+v", got)
			}
		}
	})
	t.Run("at one decryption more than others, and in the log once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		user.call("POST", "/tenant/providers", w.agreed()).expect(t, 201)
		m := w.machine(user.launch().ID)
		calls := w.callsDuring(func() { m.bootstrap() })
		delete(calls["dynamodb"], "Query") // a sweep may come round
		if total(calls["dynamodb"]) > 2 || total(calls["kms"]) > 4 || total(calls["hetzner"]) != 0 {
			t.Errorf("bootstrap costs %v", calls)
		}
		m.beat(dcm.Heartbeat{State: dcm.AgentBooting, Phase: dcm.PhaseCloning})
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		count := 0
		for _, e := range user.events() {
			if e.Action == "vms-bootstrap" {
				count++
			}
		}
		if count != 1 {
			t.Errorf("the bootstrap is %d times in the log", count)
		}
	})
	t.Run("and is refused where it means nothing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		body := w.providerBody()
		body["selfDestruct"] = "always"
		a := w.user("acme").call("POST", "/tenant/providers", body).expect(t, 400)
		if len(a.problem.Errors) != 1 || a.problem.Errors[0].Field != "selfDestruct" || strings.Contains(string(a.body), ownToken) {
			t.Errorf("%s", a.body)
		}
	})
}

// TestAVMThatDeletedItsServerEndsRight plays the control plane's side of it:
// the record ends by itself, with a receipt, and nothing is said to be lost.
func TestAVMThatDeletedItsServerEndsRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	user.call("POST", "/tenant/providers", w.agreed()).expect(t, 201)
	m, vm := w.running(user)
	m.backup(0, []byte("work"))
	user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	m.deletesOwnServer()
	w.advance(dcm.HeartbeatLostAfter + time.Minute)
	w.sweep()
	got := user.get(vm.ID)
	if got.Status != dcm.StatusStopped || got.StopReason == nil || *got.StopReason != string(dcm.StopUser) || got.Receipt == nil || got.Error != nil {
		t.Errorf("the VM is %+v", got)
	}
	if v := user.tenant(); v.Usage.ActiveVMs != 0 || v.CloudProviders["hetzner"].ActiveVMs != 0 {
		t.Errorf("the tenant still has %+v", v)
	}
	w.nothingLeft()
}

// deletesOwnServer does what the agent does, with what it was given.
func (m *machine) deletesOwnServer() {
	t := m.w.t
	t.Helper()
	may := *m.boot.SelfDestruct
	own := server.Own{
		URL: may.APIURL, Token: dcm.NewSecret(may.Token), Name: m.id.ServerName(),
		Labels: map[string]string{dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelTenant: string(m.boot.TenantID), dcm.LabelVM: string(m.id)},
	}
	if err := own.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}
