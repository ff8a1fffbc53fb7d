package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestOrphanRecords: DNS records by their comment.
func TestOrphanRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, live := w.running(user)
	ended := user.launch()
	user.force(ended.ID)
	challenge := func(vm dcm.VMID, text string) dcm.DNSRecord {
		return dcm.DNSRecord{
			Name: "_acme-challenge." + string(vm) + ".acme.vm.localhost", Type: "TXT", Content: text, TTL: 60,
			Comment: dcm.DNSComment(installation, "acme", vm),
		}
	}
	with := func(r dcm.DNSRecord, change func(*dcm.DNSRecord)) dcm.DNSRecord { change(&r); return r }
	ours := wildcard("acme", "vm-cccccccccc", "localhost")
	doomed := w.publish(platformDNSToken, platformZone,
		wildcard("acme", "vm-aaaaaaaaaa", "localhost"), challenge("vm-aaaaaaaaaa", "no record"),
		wildcard("acme", ended.ID, "localhost"), challenge(ended.ID, "record stopped"),
	)
	kept := w.publish(platformDNSToken, platformZone,
		challenge(live.ID, "of the live VM"),
		with(ours, func(r *dcm.DNSRecord) {
			r.Name, r.Comment = "*.a.localhost", strings.Replace(r.Comment, "/local/", "/local2/", 1)
		}),
		with(ours, func(r *dcm.DNSRecord) { r.Name, r.Comment = "*.b.localhost", r.Comment+"/x" }),
		with(ours, func(r *dcm.DNSRecord) { r.Name, r.Comment = "*.c.localhost", "a human's" }),
		with(ours, func(r *dcm.DNSRecord) { r.Name = "www.localhost" }),
		with(ours, func(r *dcm.DNSRecord) { r.Type, r.Content = "TXT", "v=spf1" }),
	)
	w.old()
	kept = append(kept, w.publish(platformDNSToken, platformZone, ours)...)
	report := w.sweepOrphans()
	if report.Removed != len(doomed) || report.Failed != 0 || report.Unclear != 3 {
		t.Errorf("%+v", report)
	}
	for i, id := range doomed {
		if w.hasRecord(id) {
			t.Errorf("record %d is left", i)
		}
	}
	for i, id := range kept {
		if !w.hasRecord(id) {
			t.Errorf("record %d was deleted", i)
		}
	}
	if m := w.State().DNSRecords; !slices.ContainsFunc(m, func(r cloudflare.RecordState) bool { return strings.HasPrefix(r.Name, "*."+string(live.ID)) }) {
		t.Error("the live VM has no name any more")
	}
	w.settled("acme", len(doomed))
}

// TestOrphanUploads: an upload that neither its workspace's task nor the VM that
// holds it knows of.
func TestOrphanUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	started, _ := m.upload(0, []byte("the VM's own"))
	idle := user.saved([]byte("x"))
	platform := dcm.Bucket{Name: platformBucket}
	ownKey := dcm.BackupKey("acme", vm.WorkspaceID)
	w.startUpload(platform, ownKey) // the answer that named it was lost
	w.startUpload(platform, dcm.BackupKey("acme", idle))
	w.startUpload(platform, dcm.BackupCopyKey("acme", idle))
	w.startUpload(platform, dcm.BackupKey("nobody", "ws-aaaaaaaaaa"))
	w.startUpload(platform, "agent/dcm-agent-linux-arm64")
	w.startUpload(platform, "acme/"+string(idle)+"/something-else")
	w.old()
	w.startUpload(platform, dcm.BackupKey("acme", "ws-aaaaaaaaab"))
	report := w.sweepOrphans()
	if report.Removed != 4 || report.Failed != 0 {
		t.Errorf("%+v", report)
	}
	want := []string{
		ownKey, "acme/" + string(idle) + "/something-else", dcm.BackupKey("acme", "ws-aaaaaaaaab"), "agent/dcm-agent-linux-arm64",
	}
	slices.Sort(want)
	if got := w.uploads(); !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	w.settled("acme", 3)
	w.settled("nobody", 1)
	// The VM's own goes on.
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	m.put(started.BackupID, 1, []byte("the VM's own"))
}

// TestTheCopyOfATaskIsNoOrphan: it is noted before it is started, without its id.
func TestTheCopyOfATaskIsNoOrphan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	id := user.saved(work(t))
	user.rotate(id)
	for _, operation := range []string{"UploadPart", "AbortMultipartUpload", "ListMultipartUploads"} {
		w.die("s3", operation, 0, false)
	}
	caller{w: w}.call("POST", "/_local/schedules/sweep-keys", nil)
	w.clearFaults()
	if len(w.uploads()) != 1 {
		t.Fatalf("uploads: %v", w.uploads())
	}
	w.old()
	if report := w.sweepOrphans(); report.Removed != 0 || len(w.uploads()) != 1 {
		t.Errorf("%+v", report)
	}
}

// TestTenantsOwnAccounts: each is looked through once an hour, and its things are
// its tenant's alone.
func TestTenantsOwnAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	m, live := w.running(user)
	known := user.saved([]byte("x"))
	stray := w.serverWith(ownToken, "dcm-vm-aaaaaaaaaa", labels("acme", "vm-aaaaaaaaaa"))
	others := w.serverWith(ownToken, "dcm-vm-aaaaaaaaab", labels("other", "vm-aaaaaaaaab"))
	human := w.serverWith(ownToken, "pet", nil)
	records := w.publish(ownDNSToken, ownZone, wildcard("acme", "vm-aaaaaaaaaa", ownDomain), wildcard("other", "vm-aaaaaaaaab", ownDomain))
	w.startUpload(w.ownBucket(), dcm.BackupKey("acme", known))
	w.startUpload(w.ownBucket(), dcm.BackupKey("acme", "ws-aaaaaaaaaa"))
	w.startUpload(w.ownBucket(), dcm.BackupKey("other", "ws-aaaaaaaaab"))

	w.advance(dcm.ReconcileInterval)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	report := w.sweepOrphans()
	if report.Removed != 3 || report.Due != 6 || report.Failed != 0 {
		t.Errorf("%+v", report)
	}
	if w.has(stray) || !w.has(others) || !w.has(human) || !w.has(*live.ProviderID) {
		t.Errorf("servers: %+v", w.State().Servers)
	}
	if w.hasRecord(records[0]) || !w.hasRecord(records[1]) {
		t.Error("records")
	}
	want := []string{dcm.BackupKey("acme", "ws-aaaaaaaaaa"), dcm.BackupKey("other", "ws-aaaaaaaaab")}
	if got := w.uploads(); !slices.Equal(got, want) {
		t.Errorf("uploads: %v, want %v", got, want)
	}
	w.settled("acme", 3)
	if got := w.receipts("other"); len(got) != 0 {
		t.Errorf("another tenant's account wrote into its receipts: %+v", got)
	}
	checked := user.tenant().CloudProviders["hetzner"]
	if checked.LastCheckedAt == nil || checked.Problem != nil {
		t.Errorf("%+v", checked)
	}
	// Not due: nothing of the tenant's is looked at.
	if report := w.sweepOrphans(); report.Due != 3 {
		t.Errorf("%+v", report)
	}
	// Without an account of its own it is never due again.
	user.force(live.ID)
	user.call("DELETE", "/tenant/providers/hetzner", nil).expect(t, 200)
	user.call("DELETE", "/tenant/dns", nil).expect(t, 200)
	user.call("DELETE", "/tenant/storage", nil).expect(t, 200)
	for range 4 {
		w.advance(20 * time.Minute)
		w.sweepKeys()
	}
	w.advance(dcm.ReconcileInterval)
	w.sweepOrphans()
	if strings.Contains(string(w.dump()), "RECONCILE") {
		t.Error("a tenant without an account of its own stays due")
	}
}

// TestOneCredentialFailsAlone: revoked, answering 500, or worse.
func TestOneCredentialFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	strays := map[dcm.TenantID]string{}
	for i := range 6 {
		tenant, token := dcm.TenantID(fmt.Sprintf("t%d", i)), fmt.Sprintf("token-%d", i)
		w.AddHetznerToken(token, hetzner.Token{Project: string(tenant)})
		body := w.providerBody()
		body["apiToken"] = token
		w.user(tenant).call("POST", "/tenant/providers", body).expect(t, 201)
		vm := dcm.VMID(fmt.Sprintf("vm-aaaaaaaaa%c", 'a'+i))
		strays[tenant] = w.serverWith(token, vm.ServerName(), labels(tenant, vm))
	}
	w.RevokeHetznerToken("token-2")
	w.advance(dcm.ReconcileInterval)
	report := w.sweepOrphans()
	if report.Removed != 5 || report.Failed != 1 || report.Due != 9 {
		t.Errorf("%+v", report)
	}
	for tenant, id := range strays {
		if w.has(id) != (tenant == "t2") {
			t.Errorf("%s: %v", tenant, w.has(id))
		}
	}
	broken, sound := w.user("t2"), w.user("t3")
	if got := broken.tenant().CloudProviders["hetzner"].Problem; got == nil || got.Code != string(dcm.CodeProviderAuth) {
		t.Errorf("%+v", got)
	}
	if got := sound.tenant().CloudProviders["hetzner"]; got.Problem != nil || got.LastCheckedAt == nil || w.Now().Sub(*got.LastCheckedAt) > time.Minute {
		t.Errorf("%+v", got)
	}
	said := func() (n int) {
		for _, e := range broken.events() {
			if e.Action == "sweep-orphans" && e.Result == string(dcm.CodeProviderAuth) {
				n++
			}
		}
		return n
	}
	if said() != 1 {
		t.Errorf("said %d times", said())
	}
	// It has put itself off, and is said once. A good token, and all is well.
	if report := w.sweepOrphans(); report.Due != 3 {
		t.Errorf("%+v", report)
	}
	w.advance(dcm.ReconcileInterval)
	w.sweepOrphans()
	if said() != 1 {
		t.Errorf("said %d times", said())
	}
	w.AddHetznerToken("token-2", hetzner.Token{Project: "t2"})
	w.advance(dcm.ReconcileInterval)
	if report := w.sweepOrphans(); report.Removed != 1 || report.Failed != 0 {
		t.Errorf("%+v", report)
	}
	if got := broken.tenant().CloudProviders["hetzner"].Problem; got != nil {
		t.Errorf("%+v", got)
	}
}

// TestBrokenPlatformCredentials: the tenants' own are looked through all the same.
func TestBrokenPlatformCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	w.user("acme").call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	stray := w.serverWith(ownToken, "dcm-vm-aaaaaaaaaa", labels("acme", "vm-aaaaaaaaaa"))
	platforms := w.server("acme", "vm-aaaaaaaaab")
	w.advance(dcm.ReconcileInterval)
	w.RevokeHetznerToken(platformToken)
	w.RevokeCloudflareToken(platformDNSToken)
	report := w.sweepOrphans()
	if report.Removed != 1 || report.Failed != 2 || w.has(stray) || !w.has(platforms) {
		t.Errorf("%+v", report)
	}
}

// TestOrphanSweepMayCrash kills sweep-orphans at every one of its calls in turn,
// once before the call has done anything and once after, has nothing of that kind
// work from then on, and lets a later run carry on: one receipt for each thing,
// and each thing gone.
func TestOrphanSweepMayCrash(t *testing.T) {
	t.Parallel()
	scene := func(t *testing.T) (*world, func()) {
		w := newWorld(t, nil)
		w.server("acme", "vm-aaaaaaaaaa")
		w.publish(platformDNSToken, platformZone, wildcard("acme", "vm-aaaaaaaaaa", "localhost"))
		w.startUpload(dcm.Bucket{Name: platformBucket}, dcm.BackupKey("acme", "ws-aaaaaaaaaa"))
		w.old()
		return w, func() {
			w.nothingLeft()
			w.settled("acme", 3)
		}
	}
	w, done := scene(t)
	calls := w.callsDuring(func() { w.sweepOrphans() })
	done()
	refused := map[string]string{"hetzner": "service_error", "cloudflare": "1000", "dynamodb": refusals["dynamodb"], "s3": refusals["s3"]}
	for service, code := range refused {
		for operation, n := range calls[service] {
			stride := crashStride(t)
			if operation != "Query" {
				stride = max(1, stride/4)
			}
			t.Run(service+" "+operation, func(t *testing.T) {
				t.Parallel()
				for step := 0; step < n; step += stride {
					for _, lost := range []bool{false, true} {
						if lost && reads(operation) {
							continue
						}
						w, done := scene(t)
						if lost {
							w.fault(map[string]any{"service": service, "operation": operation, "mode": "lost_answer", "after": step, "count": 1})
						}
						w.fault(map[string]any{"service": service, "operation": operation, "mode": "error", "code": code, "after": step})
						caller{w: w}.call("POST", "/_local/schedules/sweep-orphans", nil)
						w.clearFaults()
						w.advance(dcm.ReconcileInterval)
						w.sweepOrphans()
						done()
						if t.Failed() {
							t.Fatalf("call %d, its answer lost: %t", step, lost)
						}
					}
				}
			})
		}
	}
}

// reads reports whether an operation changes nothing, so that its answer may be
// lost like any failure.
func reads(operation string) bool {
	return slices.ContainsFunc([]string{"Get", "List", "Query"}, func(p string) bool { return strings.HasPrefix(operation, p) })
}
