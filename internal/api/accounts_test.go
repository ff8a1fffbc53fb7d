package api_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// projects counts the servers in each project; the platform's is called "".
func (w *world) projects() map[string]int {
	count := map[string]int{}
	for _, s := range w.State().Servers {
		project := s.Project
		if strings.HasPrefix(project, "local-") {
			project = ""
		}
		count[project]++
	}
	return count
}

func (c caller) force(id dcm.VMID) {
	c.w.t.Helper()
	c.call("DELETE", "/vms/"+string(id)+"?force=true", nil).expect(c.w.t, 202)
}

func TestOwnProviderAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")

	shared := user.launch()
	w.AddHetznerSSHKey("acme", 4711, "laptop")
	body := w.providerBody()
	body["sshKeyId"] = "laptop" // what is kept is its number
	a := user.call("POST", "/tenant/providers", body).expect(t, 201)
	added := decode[api.AddedProvider](t, a)
	if added.Type != "hetzner" || !strings.HasPrefix(string(added.CredentialsKeyID), "ac-") || len(added.Fingerprint) != 12 ||
		*added.DefaultRegion != "fsn1" || *added.SSHKeyID != "4711" || added.ProjectID != nil || added.LastCheckedAt == nil {
		t.Errorf("%s", a.body)
	}
	vm := user.launch()
	if got := w.projects(); got["acme"] != 1 || got[""] != 1 {
		t.Errorf("servers per project: %v", got)
	}
	if got := user.tenant().CloudProviders["hetzner"]; got.CredentialsKeyID != added.CredentialsKeyID || got.ActiveVMs != 1 || got.Problem != nil {
		t.Errorf("%+v", got)
	}
	// A VM ends in the account that it began in.
	user.force(shared.ID)
	if got := w.projects(); got["acme"] != 1 || got[""] != 0 {
		t.Errorf("servers per project: %v", got)
	}
	if other := w.user("other"); len(other.tenant().CloudProviders) != 0 {
		t.Error("another tenant has the account")
	} else {
		other.launch()
	}
	if got := w.projects(); got["acme"] != 1 || got[""] != 1 {
		t.Errorf("another tenant's server is not the platform's: %v", got)
	}
	refused := user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 409)
	if !strings.Contains(refused.problem.Detail, string(vm.ID)) {
		t.Errorf("the conflict does not name %s: %s", vm.ID, refused.body)
	}
	user.force(vm.ID)
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 200)
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 404)
	user.launch()
	if got := w.projects(); got["acme"] != 0 || got[""] != 2 {
		t.Errorf("servers per project: %v", got)
	}
	w.keepsSecret([]string{ownToken}, a, user.call("GET", "/tenant", nil), refused)
}

// TestDefaultRegion: an account's region is tried first, and no more than that.
func TestDefaultRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	body := w.providerBody()
	body["region"] = "hel1"
	user.call("POST", "/tenant/providers", body).expect(t, 201)
	if vm := user.launch(); *vm.Region != "hel1" {
		t.Errorf("the VM is in %s", *vm.Region)
	}
	named := decode[api.CreatedVM](t, user.call("POST", "/vms", w.launchWith("region", "nbg1")).expect(t, 201))
	if *named.Region != "nbg1" {
		t.Errorf("the VM is in %s, not where it was asked to be", *named.Region)
	}
	if vm := w.user("other").launch(); *vm.Region != "fsn1" {
		t.Errorf("another tenant's VM is in %s", *vm.Region)
	}
}

func TestRemovingIsRefusedInEveryActiveState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	refused := func(state dcm.Status, id dcm.VMID) {
		t.Helper()
		if got := user.get(id); got.Status != state {
			t.Fatalf("the VM is %s, want %s", got.Status, state)
		}
		if a := user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 409); !strings.Contains(a.problem.Detail, string(id)) {
			t.Errorf("%s: %s", state, a.body)
		}
	}
	vm := user.launch()
	refused(dcm.StatusCreating, vm.ID)
	m := w.machine(vm.ID)
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
	refused(dcm.StatusRunning, vm.ID)
	user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	refused(dcm.StatusStopping, vm.ID)
	user.force(vm.ID)
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 200)
	w.nothingLeft()
}

func TestRotationOfAProviderToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	const newToken, foreignToken, readToken = "acme-rotated-token", "another-projects-token", "acme-read-token"
	w.AddHetznerToken(newToken, hetzner.Token{Project: "acme"})
	w.AddHetznerToken(foreignToken, hetzner.Token{Project: "elsewhere"})
	w.AddHetznerToken(readToken, hetzner.Token{Project: "acme", ReadOnly: true})
	user := w.user("acme")
	first := decode[api.AddedProvider](t, user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201))
	_, vm := w.running(user)
	with := func(token string) map[string]any {
		body := w.providerBody()
		body["apiToken"] = token
		return body
	}

	before := w.dump()
	if a := user.call("POST", "/tenant/providers", with(foreignToken)).expect(t, 409); !strings.Contains(a.problem.Detail, string(vm.ID)) {
		t.Errorf("%s", a.body)
	}
	if a := user.call("POST", "/tenant/providers", with(readToken)).expect(t, 400); a.problem.Errors[0].Field != "apiToken" {
		t.Errorf("%s", a.body)
	}
	if a := user.call("POST", "/tenant/providers", with("unknown")).expect(t, 424); a.problem.Code != dcm.CodeProviderAuth || a.problem.Errors[0].Field != "apiToken" {
		t.Errorf("%s", a.body)
	}
	if after := w.dump(); withoutEvents(t, before) != withoutEvents(t, after) {
		t.Error("a refused token changed something")
	}

	second := decode[api.AddedProvider](t, user.call("POST", "/tenant/providers", with(newToken)).expect(t, 201))
	if second.CredentialsKeyID != first.CredentialsKeyID || second.Fingerprint == first.Fingerprint || second.ActiveVMs != 1 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	w.RevokeHetznerToken(ownToken)
	user.force(vm.ID)
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
		t.Errorf("the VM is %s: %+v", got.Status, got.Error)
	}
	w.nothingLeft()
	// Without VMs, any account may take the place.
	third := decode[api.AddedProvider](t, user.call("POST", "/tenant/providers", with(foreignToken)).expect(t, 201))
	if third.CredentialsKeyID == first.CredentialsKeyID {
		t.Error("another account has the same id")
	}
	user.launch()
	if got := w.projects(); got["elsewhere"] != 1 {
		t.Errorf("servers per project: %v", got)
	}
	w.keepsSecret([]string{ownToken, newToken, foreignToken, readToken})
}

// TestLaunchesWhileTheAccountIsReplaced: whoever wins, no server is left in an
// account that nobody can open any more.
func TestLaunchesWhileTheAccountIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tokens := []string{"project-a-token", "project-b-token"}
	for _, token := range tokens {
		w.AddHetznerToken(token, hetzner.Token{})
	}
	user := w.user("acme")
	for round := range 8 {
		body := w.providerBody()
		body["apiToken"] = tokens[round%2]
		var (
			all  sync.WaitGroup
			mu   sync.Mutex
			made []dcm.VMID
		)
		all.Go(func() {
			if a := user.call("POST", "/tenant/providers", body); a.status != 201 && a.status != 409 {
				t.Errorf("replacing: %d %s", a.status, a.body)
			}
		})
		for range 3 {
			all.Go(func() {
				a := user.call("POST", "/vms", w.launchBody())
				if a.status != 201 && a.status != 409 {
					t.Errorf("launching: %d %s", a.status, a.body)
				}
				if a.status == 201 {
					mu.Lock()
					defer mu.Unlock()
					made = append(made, decode[api.CreatedVM](t, a).ID)
				}
			})
		}
		all.Wait()
		for _, id := range made {
			user.force(id)
			if got := user.get(id); got.Status != dcm.StatusStopped {
				t.Errorf("%s is %s: %+v", id, got.Status, got.Error)
			}
		}
		if left := w.projects(); len(left) != 0 {
			t.Fatalf("servers left in %v", left)
		}
	}
	w.nothingLeft()
}

// TestBrokenCredential: one tenant's revoked token is that tenant's alone.
func TestBrokenCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user, other := w.user("acme"), w.user("other")
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	stuck, others := user.launch(), other.launch()
	w.RevokeHetznerToken(ownToken)

	if a := user.call("POST", "/vms", w.launchBody()); a.problem.Code != dcm.CodeProviderAuth {
		t.Errorf("a launch with a revoked token: %d %s", a.status, a.body)
	}
	other.launch()
	// Both VMs never boot: the sweep ends the other's, and keeps trying this one's.
	w.advance(dcm.BootDeadline + 1e9)
	w.sweep()
	w.sweep()
	if got := other.get(others.ID); got.Status != dcm.StatusStopped {
		t.Errorf("the other tenant's VM is %s: %+v", got.Status, got.Error)
	}
	got := user.get(stuck.ID)
	if got.Status != dcm.StatusStopping || got.Error == nil {
		t.Errorf("the VM behind a revoked token is %s: %+v", got.Status, got.Error)
	}
	// A good token, and it goes.
	w.AddHetznerToken("acme-again", hetzner.Token{Project: "acme"})
	body := w.providerBody()
	body["apiToken"] = "acme-again"
	user.call("POST", "/tenant/providers", body).expect(t, 201)
	w.advance(2 * dcm.ReleaseRetry)
	w.sweep()
	if got := user.get(stuck.ID); got.Status != dcm.StatusStopped {
		t.Errorf("the VM is %s: %+v", got.Status, got.Error)
	}
}

// TestOutsideIsDown: a check that can't be made keeps nothing and blames
// nobody's input.
func TestOutsideIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	for _, c := range []struct {
		service, path string
		body          map[string]any
	}{
		{"hetzner", "/tenant/providers", w.providerBody()},
		{"cloudflare", "/tenant/dns", w.dnsBody()},
		{"s3", "/tenant/storage", w.storageBody()},
	} {
		w.fault(map[string]any{"service": c.service, "operation": "*", "mode": "error"})
		if a := user.call("POST", c.path, c.body); a.problem.Code != dcm.CodeProviderUnavailable {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
		w.clearFaults()
	}
	if v := user.tenant(); len(v.CloudProviders) != 0 || v.DNSConfig.Type != "platform" || v.StorageConfig.Type != "platform" {
		t.Errorf("%+v", v)
	}
	if s := w.State(); len(s.DNSRecords) != 0 || slices.ContainsFunc(s.Objects, func(o localObject) bool { return strings.HasPrefix(o.Key, "acme/") }) {
		t.Errorf("left behind: %+v", s)
	}
}
