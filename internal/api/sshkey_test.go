package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// keysOn are the SSH keys that a VM's server was made with.
func (w *world) keysOn(id dcm.VMID) []int64 {
	w.t.Helper()
	for _, s := range w.State().Servers {
		if s.Labels[dcm.LabelVM] == string(id) {
			return s.SSHKeys
		}
	}
	w.t.Fatalf("%s has no server", id)
	return nil
}

// TestOwnSSHKey: a tenant's servers carry the key that it named. One that does
// not exist is refused before anything is kept; one that vanished later fails
// the launch, and says so.
func TestOwnSSHKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	body := w.providerBody()
	w.AddHetznerSSHKey("elsewhere", 4711, "laptop") // another project's is no key of this one
	for _, unknown := range []string{"4711", "laptop", "4712"} {
		body["sshKeyId"] = unknown
		a := user.call("POST", "/tenant/providers", body).expect(t, 400)
		if len(a.problem.Errors) != 1 || a.problem.Errors[0].Field != "sshKeyId" {
			t.Errorf("key %s: %s", unknown, a.body)
		}
	}
	if v := user.tenant(); len(v.CloudProviders) != 0 {
		t.Errorf("kept nevertheless: %+v", v.CloudProviders)
	}
	w.AddHetznerSSHKey("acme", 4712, "laptop")
	for _, known := range []string{"4712", "laptop"} {
		body["sshKeyId"] = known
		added := decode[api.AddedProvider](t, user.call("POST", "/tenant/providers", body).expect(t, 201))
		if *added.SSHKeyID != "4712" {
			t.Errorf("key %s is kept as %s", known, *added.SSHKeyID)
		}
	}
	vm := user.launch()
	if got := w.keysOn(vm.ID); !slices.Equal(got, []int64{4712}) {
		t.Errorf("the server has keys %v", got)
	}
	if got := w.keysOn(w.user("other").launch().ID); got != nil {
		t.Errorf("another tenant's server has keys %v", got)
	}

	w.RemoveHetznerSSHKey("acme", 4712)
	a := user.call("POST", "/vms", w.launchBody()).expect(t, 503)
	if !strings.Contains(a.problem.Detail, "SSH key") {
		t.Errorf("a launch with a key that is gone: %s", a.body)
	}
	w.advance(2 * time.Minute)
	w.sweep()
	if got := w.projects()["acme"]; got != 1 {
		t.Errorf("%d servers", got)
	}
}

// TestThePlatformsSSHKey is for the platform's servers alone.
func TestThePlatformsSSHKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"HCLOUD_SSH_KEY_ID": "17"})
	w.bringAlong()
	w.AddHetznerSSHKey("local-hetzner-token", 17, "platform")
	user := w.user("acme")
	if got := w.keysOn(user.launch().ID); !slices.Equal(got, []int64{17}) {
		t.Errorf("the platform's server has keys %v", got)
	}
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	if got := w.keysOn(user.launch().ID); got != nil {
		t.Errorf("the tenant's server has keys %v", got)
	}
}
