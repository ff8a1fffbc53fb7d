package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dns/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	simcloudflare "github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/provider/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// What the platform's accounts are opened with in the local stack.
const (
	platformToken    = "local-hetzner-token"
	platformDNSToken = "local-cloudflare-token"

	installation = "local"
)

// sweepOrphans runs sweep-orphans now.
func (w *world) sweepOrphans(payload ...any) sweep.OrphanReport {
	w.t.Helper()
	var body any
	if len(payload) > 0 {
		body = payload[0]
	}
	a := caller{w: w}.call("POST", "/_local/schedules/sweep-orphans", body).expect(w.t, 200)
	return decode[struct{ Result sweep.OrphanReport }](w.t, a).Result
}

func (w *world) planOrphans() []sweep.PlannedDeletion {
	w.t.Helper()
	return w.sweepOrphans(map[string]bool{"dryRun": true}).Plan
}

// labels are those of a VM's server.
func labels(t dcm.TenantID, vm dcm.VMID) map[string]string {
	return dcm.VM{ID: vm, TenantID: t, WorkspaceID: "ws-aaaaaaaaaa", ExpiresAt: time.Unix(1_800_000_000, 0)}.ServerLabels(installation)
}

// serverWith makes a server behind our back.
func (w *world) serverWith(token, name string, labels map[string]string) string {
	w.t.Helper()
	p := hetzner.New(hetzner.Options{Endpoint: w.Endpoint("hetzner") + "/v1", Application: "test"})
	s, err := p.CreateVM(w.t.Context(), dcm.Credential{Token: dcm.NewSecret(token)}, dcm.ServerRequest{
		Name: name, ServerType: "cx23", Location: "fsn1", Image: "ubuntu-24.04", UserData: dcm.NewSecret("#cloud-config\n{}"), Labels: labels,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s.ID
}

// server makes a server that says that it is this VM's.
func (w *world) server(t dcm.TenantID, vm dcm.VMID) string {
	w.t.Helper()
	return w.serverWith(platformToken, vm.ServerName(), labels(t, vm))
}

// has reports whether the provider still has a server.
func (w *world) has(id string) bool {
	return slices.ContainsFunc(w.State().Servers, func(s local.ServerState) bool { return s.ID == id })
}

// record publishes DNS records behind our back.
func (w *world) publish(token, zone string, records ...dcm.DNSRecord) []string {
	w.t.Helper()
	d := cloudflare.New(cloudflare.Options{Endpoint: w.Endpoint("cloudflare") + "/client/v4", UserAgent: "test"})
	var ids []string
	for _, r := range records {
		made, err := d.Publish(w.t.Context(), dcm.DNSZone{ZoneID: zone, Token: dcm.NewSecret(token)}, []dcm.DNSRecord{r})
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, made...)
	}
	return ids
}

func (w *world) hasRecord(id string) bool {
	return slices.ContainsFunc(w.State().DNSRecords, func(r simcloudflare.RecordState) bool { return r.ID == id })
}

// wildcard is a VM's record as we publish it.
func wildcard(t dcm.TenantID, vm dcm.VMID, base string) dcm.DNSRecord {
	return dcm.AddressRecords(string(vm)+"."+string(t)+".vm."+base, "203.0.113.7", "", dcm.DNSComment(installation, t, vm))[0]
}

// upload starts an upload behind our back.
func (w *world) startUpload(b dcm.Bucket, key string) string {
	w.t.Helper()
	u, err := objects.Storage(w.behind()).StartUpload(w.t.Context(), b, key, "bk-aaaaaaaaaa")
	if err != nil {
		w.t.Fatal(err)
	}
	return u.UploadID
}

func (w *world) ownBucket() dcm.Bucket {
	return dcm.Bucket{
		Name: ownBucket, Endpoint: w.Endpoint("s3"), Region: "eu-central-1", AccessKeyID: ownKeyID, SecretAccessKey: dcm.NewSecret(ownSecret),
	}
}

// uploads are the keys of the unfinished uploads.
func (w *world) uploads() []string {
	keys := []string{}
	for _, u := range w.State().Uploads {
		keys = append(keys, u.Key)
	}
	slices.Sort(keys)
	return keys
}

// receipts are the tenant's orphans.
func (w *world) receipts(t dcm.TenantID) []dcm.Orphan {
	w.t.Helper()
	page, err := w.behind().Store().Tenant(t).Orphans(w.t.Context(), dcm.OrphanQuery{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Items
}

// old makes everything older than the grace.
func (w *world) old() {
	w.t.Helper()
	w.advance(dcm.OrphanGrace + time.Minute)
}

// TestOrphanServers: what is deleted, and what is not.
func TestOrphanServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, live := w.running(user)
	ended := user.launch()
	user.force(ended.ID)

	foreign := labels("acme", "vm-bbbbbbbbbb")
	foreign[dcm.LabelInstallation] = "local-staging"
	unread := labels("acme", "vm-bbbbbbbbbb")
	unread[dcm.LabelVM] = "the-third-one"
	doomed := map[string]string{
		"no record":              w.server("acme", "vm-aaaaaaaaaa"),
		"no tenant":              w.server("nobody", "vm-aaaaaaaaa2"),
		"record stopped":         w.server("acme", ended.ID),
		"duplicate of a live VM": w.serverWith(platformToken, "copy", labels("acme", live.ID)),
	}
	kept := map[string]string{
		"the live VM":                      *live.ProviderID,
		"another installation's":           w.serverWith(platformToken, "theirs", foreign),
		"a human's":                        w.serverWith(platformToken, "pet", nil),
		"managed by us, says nothing else": w.serverWith(platformToken, "half", map[string]string{dcm.LabelManagedBy: dcm.ManagedBy}),
		"labels that name no VM":           w.serverWith(platformToken, "odd", unread),
		"labels of another manager":        w.serverWith(platformToken, "other", map[string]string{dcm.LabelManagedBy: "terraform", dcm.LabelInstallation: installation}),
	}
	w.old()
	kept["younger than the grace"] = w.server("acme", "vm-aaaaaaaaa3")

	report := w.sweepOrphans()
	if report.Removed != len(doomed) || report.Unclear != 1 || report.Failed != 0 || report.Left != 0 {
		t.Errorf("%+v", report)
	}
	for what, id := range doomed {
		if w.has(id) {
			t.Errorf("left: %s", what)
		}
	}
	for what, id := range kept {
		if !w.has(id) {
			t.Errorf("deleted: %s", what)
		}
	}
	if got := user.get(live.ID); got.Status != dcm.StatusRunning {
		t.Errorf("the live VM is %s", got.Status)
	}
	w.settled("acme", 3)
	w.settled("nobody", 1)
	for _, o := range w.receipts("acme") {
		if o.ExternalID == doomed["record stopped"] && (o.Minutes < 16 || o.Minutes > 18 || !strings.Contains(o.Why, "ended")) {
			t.Errorf("%+v", o)
		}
	}
	w.old()
	if report := w.sweepOrphans(); report.Removed != 1 {
		t.Errorf("the young one has grown old: %+v", report)
	}
}

// settled checks that the tenant has so many receipts, each whole, and each in
// its log.
func (w *world) settled(t dcm.TenantID, n int) {
	w.t.Helper()
	all := w.receipts(t)
	if len(all) != n {
		w.t.Errorf("%s has %d receipts, want %d: %+v", t, len(all), n, all)
	}
	for _, o := range all {
		if o.ConfirmedAt == nil || o.Minutes < 1 || o.Why == "" || o.FoundAt.IsZero() || o.EndedAt.IsZero() || o.Tenant != t {
			w.t.Errorf("not whole: %+v", o)
		}
	}
	logged := map[string]int{}
	for _, e := range w.user(t).events() {
		if e.Action == "sweep-orphans" && strings.HasPrefix(e.Detail, "removed: ") {
			logged[e.Detail]++
			if e.Actor != dcm.ActorSystem {
				w.t.Errorf("%+v", e)
			}
		}
	}
	if len(logged) != n || slices.Max(append(slices.Collect(maps.Values(logged)), 0)) > 1 {
		w.t.Errorf("the log of %s has %v", t, logged)
	}
}

// TestServerThatIsOff: what is switched off is paid for all the same.
func TestServerThatIsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.server("acme", "vm-aaaaaaaaaa")
	w.hetznerDo(http.MethodPost, "/servers/"+id+"/actions/poweroff")
	w.eventually("the server is off", func() bool {
		return slices.ContainsFunc(w.State().Servers, func(s local.ServerState) bool { return s.ID == id && s.Status == "off" })
	})
	w.old()
	if report := w.sweepOrphans(); report.Removed != 1 || w.has(id) {
		t.Errorf("%+v", report)
	}
}

func (w *world) hetznerDo(method, path string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.Endpoint("hetzner")+"/v1"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+platformToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

// TestTwoStoresOfTruthDisagree: record stopped and server alive, record live and
// server gone. Both end right.
func TestTwoStoresOfTruthDisagree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, running := w.running(user)
	created := user.launch()
	stopped := user.launch()
	user.force(stopped.ID)
	stray := w.server("acme", stopped.ID)
	w.removeServer(*running.ProviderID)
	w.removeServer(*created.ProviderID)
	if report := w.sweepOrphans(); report.Ended+report.Removed != 0 {
		t.Errorf("a VM that called a moment ago was ended: %+v", report)
	}
	w.old()
	report := w.sweepOrphans()
	if report.Ended != 2 || report.Removed != 1 || w.has(stray) {
		t.Errorf("%+v", report)
	}
	w.sweep()
	for _, id := range []dcm.VMID{running.ID, created.ID} {
		got := user.get(id)
		if got.Status != dcm.StatusStopped || *got.StopReason != string(dcm.StopHeartbeatLost) || got.Error == nil || got.Error.Code != dcm.ProblemServerGone {
			t.Errorf("%+v", got)
		}
	}
	w.nothingLeft()
	if report := w.sweepOrphans(); report.Ended+report.Removed+report.Failed != 0 {
		t.Errorf("again: %+v", report)
	}
}

// TestAVMThatCallsIsNotGone: whatever the provider says. Its token may open
// another project than it did.
func TestAVMThatCallsIsNotGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	w.old()
	w.removeServer(*vm.ProviderID)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	if report := w.sweepOrphans(); report.Ended != 0 {
		t.Errorf("%+v", report)
	}
	if got := user.get(vm.ID); got.Status != dcm.StatusRunning {
		t.Errorf("%+v", got)
	}
}

// TestPartialListDeletesNothing: the second page fails.
func TestPartialListDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var first string
	for i := range 51 {
		id := w.server("acme", dcm.VMID(fmt.Sprintf("vm-aaaaaaaa%c%c", 'a'+i/8, 'a'+i%8)))
		if first == "" {
			first = id
		}
	}
	dns := w.publish(platformDNSToken, platformZone, wildcard("acme", "vm-aaaaaaaaaa", "localhost"))
	w.old()
	w.fault(map[string]any{"service": "hetzner", "operation": "ListServers", "mode": "error", "code": "service_error", "after": 1})
	report := w.sweepOrphans()
	if report.Failed != 1 || !w.has(first) || len(w.State().Servers) != 51 {
		t.Errorf("%+v", report)
	}
	if report.Removed != 1 || w.hasRecord(dns[0]) {
		t.Errorf("what could be listed waits for what could not: %+v", report)
	}
	w.clearFaults()
	if report := w.sweepOrphans(); report.Removed != 25 || report.Left != 26 {
		t.Errorf("a run deletes no more than it may: %+v", report)
	}
	if !strings.Contains(string(w.log()), `"OrphanCapReached":1`) {
		t.Error("nobody is told that the cap was reached")
	}
	if report := w.sweepOrphans(); report.Removed != 25 || report.Left != 1 {
		t.Errorf("%+v", report)
	}
	if report := w.sweepOrphans(); report.Removed != 1 || len(w.State().Servers) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestDryRun: everything is listed, in the answer and in the log, and nothing is
// touched.
func TestOrphansDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	_, vm := w.running(user)
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	w.removeServer(*vm.ProviderID)
	w.server("acme", "vm-aaaaaaaaaa")
	w.serverWith(ownToken, "dcm-vm-aaaaaaaaab", labels("acme", "vm-aaaaaaaaab"))
	w.startUpload(dcm.Bucket{Name: platformBucket}, dcm.BackupKey("acme", "ws-aaaaaaaaaa"))
	w.advance(dcm.ReconcileInterval)
	before := w.withoutRates()
	servers := len(w.State().Servers)
	plan := w.planOrphans()
	kinds := map[string]int{}
	for _, p := range plan {
		kinds[p.Kind]++
		if p.Why == "" || p.Tenant != "acme" || !strings.Contains(string(w.log()), p.Why) {
			t.Errorf("%+v", p)
		}
	}
	if want := map[string]int{"vm": 1, "server": 2, "upload": 1}; !maps.Equal(kinds, want) {
		raw, _ := json.Marshal(plan)
		t.Errorf("planned %v, want %v: %s", kinds, want, raw)
	}
	if after := w.withoutRates(); after != before || len(w.State().Servers) != servers || len(w.State().Uploads) != 1 {
		t.Error("a dry run changed something")
	}
	caller{w: w}.call("POST", "/_local/schedules/sweep-orphans", `{"dryRun": "yes"}`).expect(t, 500)
	if report := w.sweepOrphans(); report.Removed != 3 || report.Ended != 1 || report.Plan != nil {
		t.Errorf("%+v", report)
	}
}
