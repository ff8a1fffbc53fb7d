package api_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// ownership says which of a tenant's accounts are its own.
type ownership struct{ provider, dns, storage bool }

func (o ownership) String() string {
	name := func(own bool) string {
		if own {
			return "own"
		}
		return "platform"
	}
	return "provider " + name(o.provider) + ", DNS " + name(o.dns) + ", storage " + name(o.storage)
}

const (
	platformZone   = "00000000000000000000000000000001"
	platformBucket = "dcm-local"
)

// TestHybridMatrix: provider, DNS and storage, each the tenant's own or the
// platform's, and the whole main job with every mixture. While the VM lives,
// each account but the ones chosen is empty; at the end all are.
func TestHybridMatrix(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		o := ownership{provider: i&1 != 0, dns: i&2 != 0, storage: i&4 != 0}
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.bringAlong()
			user := w.user("acme")
			w.bring(user, o)
			(&hybrid{world: w, user: user, ownership: o}).mainJob()
		})
	}
}

// bring sets the tenant's accounts through the API.
func (w *world) bring(user caller, o ownership) {
	w.t.Helper()
	if o.provider {
		user.call("POST", "/tenant/providers", w.providerBody()).expect(w.t, 201)
	}
	if o.dns {
		user.call("POST", "/tenant/dns", w.dnsBody()).expect(w.t, 201)
	}
	if o.storage {
		user.call("POST", "/tenant/storage", w.storageBody()).expect(w.t, 201)
	}
	if s := w.State(); len(s.DNSRecords) != 0 || len(s.Uploads) != 0 || len(w.BucketKeys(ownBucket)) != 0 {
		w.t.Fatalf("the checks of the accounts left something: %+v", s)
	}
}

// hybrid is one tenant's main job.
type hybrid struct {
	*world
	user caller
	ownership
}

func (h *hybrid) mainJob() {
	t := h.t
	work := make([]byte, dcm.BackupPartBytes+777)
	if _, err := rand.Read(work); err != nil {
		t.Fatal(err)
	}
	m, vm := h.running(h.user)
	h.inItsPlaces(vm.VM)
	h.keepsKeys(m.boot)
	m.backup(0, []byte("first"))
	m.backup(1, work)
	h.storedInItsPlace(vm.WorkspaceID)
	h.user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop {
		t.Errorf("the agent was not told to stop: %+v", a)
	}
	m.cleanup(2).expect(t, 202)
	h.nothingLeft()

	next := decode[api.CreatedVM](t, h.user.call("POST", "/vms", h.resumeBody(vm.WorkspaceID)).expect(t, 201))
	h.inItsPlaces(next.VM)
	m2 := h.machine(next.ID)
	boot := m2.bootstrap()
	h.keepsKeys(boot)
	if boot.Generation != 2 || !bytes.Equal(h.restore(boot.Restore), work) {
		t.Error("what was restored is not what was saved last")
	}
	if own := strings.Contains(boot.Restore.URL, ownKeyID) && strings.Contains(boot.Restore.URL, ownBucket); own != h.storage {
		t.Errorf("restored from %s", boot.Restore.URL)
	}
	m2.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
	m2.backup(2, []byte("carried on"))
	h.storedInItsPlace(vm.WorkspaceID)
	m2.cleanup(3).expect(t, 202)
	for _, id := range []dcm.VMID{vm.ID, next.ID} {
		if got := h.user.get(id); got.Status != dcm.StatusStopped || got.Error != nil {
			t.Errorf("%s is %s: %+v", id, got.Status, got.Error)
		}
	}
	h.nothingLeft()
	if own := h.user.tenant().CloudProviders["hetzner"]; own.ActiveVMs != 0 || own.Problem != nil {
		t.Errorf("the account at the end: %+v", own)
	}
	h.keepsSecret([]string{ownToken, ownDNSToken, ownSecret})
}

// inItsPlaces checks where the VM's server and its records are, and that they
// are nowhere else.
func (h *hybrid) inItsPlaces(vm api.VM) {
	h.t.Helper()
	project := ""
	if h.provider {
		project = "acme"
	}
	if got := h.projects(); len(got) != 1 || got[project] != 1 {
		h.t.Errorf("servers per project: %v, want one in %q", got, project)
	}
	hostname, zone := string(vm.ID)+".acme.vm.localhost", platformZone
	if h.dns {
		hostname, zone = string(vm.ID)+".vm."+ownDomain, ownZone
	}
	if vm.Hostname != hostname {
		h.t.Errorf("hostname %s, want %s", vm.Hostname, hostname)
	}
	for _, r := range h.State().DNSRecords {
		if r.Zone != zone || r.Name != "*."+hostname {
			h.t.Errorf("record %s in zone %s, want *.%s in %s", r.Name, r.Zone, hostname, zone)
		}
	}
	if got := h.zones()[zone]; !slices.Equal(got, []string{"*." + hostname}) {
		h.t.Errorf("addresses in zone %s: %v", zone, got)
	}
}

// storedInItsPlace checks which bucket holds the workspace, and that the other
// one knows nothing of it.
func (h *hybrid) storedInItsPlace(id dcm.WorkspaceID) {
	h.t.Helper()
	bucket, other := platformBucket, ownBucket
	if h.storage {
		bucket, other = other, bucket
	}
	prefix := "acme/" + string(id) + "/"
	of := func(bucket string) []string {
		return slices.DeleteFunc(h.BucketKeys(bucket), func(k string) bool { return !strings.HasPrefix(k, prefix) })
	}
	if got := of(bucket); !slices.Contains(got, prefix+"workspace.tar.gz.enc") {
		h.t.Errorf("%s holds %v", bucket, got)
	}
	if got := of(other); len(got) != 0 {
		h.t.Errorf("%s holds %v", other, got)
	}
}

// keepsKeys checks that no account's secret reaches the VM: a presigned URL
// names the key that signed it, and that is all.
func (h *hybrid) keepsKeys(boot dcm.BootstrapAnswer) {
	h.t.Helper()
	raw, err := json.Marshal(boot)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, secret := range []string{ownToken, ownDNSToken, ownSecret, "local-hetzner-token", "local-cloudflare-token", "local-secret-access-key"} {
		if bytes.Contains(raw, []byte(secret)) {
			h.t.Errorf("the bootstrap answer holds %q", secret)
		}
	}
}
