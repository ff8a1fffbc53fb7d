package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// refused is a tenant whose VM can't end: its own account refuses the token.
func refused(t *testing.T, change func(body map[string]any)) (*world, caller, api.CreatedVM) {
	t.Helper()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "2"})
	w.bringAlong()
	w.AddHetznerToken("by-hand", hetzner.Token{Project: "acme"})
	w.AddHetznerSSHKey("acme", 4711, "laptop")
	user, body := w.user("acme"), w.providerBody()
	if change != nil {
		change(body)
	}
	user.call("POST", "/tenant/providers", body).expect(t, 201)
	_, vm := w.running(user)
	w.RevokeHetznerToken(ownToken)
	user.force(vm.ID)
	return w, user, vm
}

// byHand deletes a server as its owner does in the provider's console.
func (w *world) byHand(vm api.CreatedVM) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodDelete, w.Endpoint("hetzner")+"/v1/servers/"+*vm.ProviderID, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer by-hand")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != 200 {
		w.t.Fatal(response.Status)
	}
}

// again gives a new token for a project.
func (c caller) again(token, project string) answer {
	c.w.AddHetznerToken(token, hetzner.Token{Project: project})
	body := c.w.providerBody()
	body["apiToken"] = token
	return c.call("POST", "/tenant/providers", body)
}

// stops lets the sweeps come round until the VM has stopped.
func (w *world) stops(user caller, id dcm.VMID) {
	w.t.Helper()
	for range 4 {
		w.advance(dcm.RefusedRetryMax)
		w.sweep()
	}
	if got := user.get(id); got.Status != dcm.StatusStopped {
		w.t.Errorf("%s is %s: %+v", id, got.Status, got.Error)
	}
}

// TestATokenRevokedWithVMsAlive: it is said in GET and in an event, and the VM is
// kept, holds its slot, and is never silently dropped.
func TestATokenRevokedWithVMsAlive(t *testing.T) {
	t.Parallel()
	t.Run("it is said", func(t *testing.T) {
		t.Parallel()
		w, user, vm := refused(t, nil)
		w.advance(2 * dcm.ReleaseRetry)
		tries := w.callsDuring(func() {
			for range 48 {
				w.sweep()
				w.advance(time.Hour)
			}
		})["hetzner"]["DeleteServer"]
		if tries < 10 || tries > 48 {
			t.Errorf("tried %d times in two days", tries)
		}
		got := user.get(vm.ID)
		if got.Status != dcm.StatusStopping || got.Error == nil || got.Error.Code != dcm.ProblemTokenRefused || !strings.Contains(got.Error.Message, *vm.ProviderID) {
			t.Errorf("%s: %+v", got.Status, got.Error)
		}
		said := slices.DeleteFunc(user.events(), func(e dcm.Event) bool {
			return e.Resource != "vms/"+string(vm.ID) || e.Result != string(dcm.CodeProviderAuth)
		})
		if len(said) != 1 || said[0].Actor != dcm.ActorSystem || !strings.Contains(said[0].Detail, "refused") {
			t.Errorf("the audit log says %+v", said)
		}
		if v := user.tenant(); v.Usage.ActiveVMs != 1 {
			t.Errorf("%d slots are held", v.Usage.ActiveVMs)
		}
		if w.projects()["acme"] != 1 {
			t.Error("the server is gone")
		}
	})
	t.Run("a silent VM", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		_, vm := w.running(user)
		w.RevokeHetznerToken(ownToken)
		for range 30 {
			w.advance(time.Hour)
			w.sweep()
		}
		got := user.get(vm.ID)
		if got.Status != dcm.StatusStopping || got.Error == nil || got.Error.Code != dcm.ProblemTokenRefused || !strings.Contains(got.Error.Message, "lost") {
			t.Errorf("%s: %+v", got.Status, got.Error)
		}
		user.again("second", "acme").expect(t, 201)
		w.stops(user, vm.ID)
		w.nothingLeft()
	})
	t.Run("a new token for the same account ends it", func(t *testing.T) {
		t.Parallel()
		w, user, vm := refused(t, nil)
		if a := user.again("foreign", "elsewhere"); a.status != 409 || !strings.Contains(a.problem.Detail, string(vm.ID)) {
			t.Errorf("another account's token: %d %s", a.status, a.body)
		}
		user.again("second", "acme").expect(t, 201)
		w.stops(user, vm.ID)
		w.nothingLeft()
	})
	t.Run("one server of two was deleted by hand", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		w.AddHetznerToken("by-hand", hetzner.Token{Project: "acme"})
		user := w.user("acme")
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		gone, left := user.launch(), user.launch()
		w.RevokeHetznerToken(ownToken)
		w.byHand(gone)
		user.again("second", "acme").expect(t, 201)
		user.force(gone.ID)
		user.force(left.ID)
		w.stops(user, gone.ID)
		w.stops(user, left.ID)
		w.nothingLeft()
	})
	t.Run("all servers were deleted by hand, and the key proves the account", func(t *testing.T) {
		t.Parallel()
		w, user, vm := refused(t, func(body map[string]any) { body["sshKeyId"] = "4711" })
		w.byHand(vm)
		w.AddHetznerSSHKey("elsewhere", 12, "4711") // its name is no proof
		if a := user.again("foreign", "elsewhere"); a.status != 409 {
			t.Errorf("another account's token: %d %s", a.status, a.body)
		}
		user.again("second", "acme").expect(t, 201)
		w.stops(user, vm.ID)
		w.nothingLeft()
		if got := user.get(vm.ID); got.Error == nil || got.Error.Code == dcm.ProblemUnconfirmed {
			t.Errorf("%+v", got.Error)
		}
	})
}

// TestAbandon: the last way out, for whoever has no token any more. It is the
// tenant's own word, about its own account, after a day.
func TestAbandon(t *testing.T) {
	t.Parallel()
	w, user, vm := refused(t, nil)
	path := "/vms/" + string(vm.ID) + "?abandon=true"
	refuse := func(why string) {
		t.Helper()
		if a := user.call("DELETE", path, nil); a.status != 409 || !strings.Contains(a.problem.Detail, why) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	refuse("in 24h")
	w.advance(dcm.StopGrace - time.Minute)
	w.sweep()
	refuse("in 1m")
	w.advance(time.Minute)
	w.fault(map[string]any{"service": "hetzner", "operation": "DeleteServer", "mode": "error", "code": "server_error"})
	refuse("still be released")
	w.clearFaults()
	w.user("evil").call("DELETE", path, nil).expect(t, 404)
	user.call("DELETE", "/vms/"+string(vm.ID)+"?abandon=perhaps", nil).expect(t, 400)

	for range 2 {
		got := decode[api.VM](t, user.call("DELETE", path, nil).expect(t, 202))
		if got.Status != dcm.StatusStopped || got.Error == nil || got.Error.Code != dcm.ProblemUnconfirmed || !strings.Contains(got.Error.Message, *vm.ProviderID) {
			t.Errorf("%s: %+v", got.Status, got.Error)
		}
	}
	if r := w.books("acme").vms[vm.ID].Receipt; r == nil || !r.ConfirmedAt.IsZero() || len(r.Usage) != 1 {
		t.Errorf("the receipt is %+v", r)
	}
	if s := w.State(); len(s.DNSRecords) != 0 || len(s.Servers) != 1 {
		t.Errorf("left: %+v", s)
	}
	told := slices.ContainsFunc(user.events(), func(e dcm.Event) bool {
		return e.Resource == "vms/"+string(vm.ID) && strings.Contains(e.Detail, "not confirmed gone: server "+*vm.ProviderID)
	})
	if !told {
		t.Errorf("the audit log does not tell: %+v", user.events())
	}
	if v := user.tenant(); v.Usage.ActiveVMs != 0 {
		t.Errorf("%d slots are held", v.Usage.ActiveVMs)
	}
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 200)
	// Should the account ever be opened again, what is left there goes.
	user.again("second", "acme").expect(t, 201)
	w.advance(dcm.ReconcileInterval)
	caller{w: w}.call("POST", "/_local/schedules/sweep-orphans", nil).expect(t, 200)
	if left := w.projects()["acme"]; left != 0 {
		t.Errorf("%d servers are left", left)
	}
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 200)

	// What others pay for, or what can be released, can't be given up.
	_, shared := w.running(user)
	path = "/vms/" + string(shared.ID) + "?abandon=true"
	refuse("only a VM")
	user.force(shared.ID)
	w.user("acme").call("DELETE", path, nil).expect(t, 202) // it has ended well
}
