package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// limit is what the platform's owner allows a tenant to spend; "" for no limit.
func (w *world) limit(tenant dcm.TenantID, amount string) {
	w.t.Helper()
	body := map[string]any{"maxConcurrentVMs": 10}
	if amount != "" {
		body["maxMonthlySpend"] = amount
	}
	admin := w.user("platform", dcm.PermissionPlatformAdmin)
	admin.call("PUT", "/admin/tenants/"+string(tenant)+"/quotas", body).expect(w.t, 200)
}

// dueTenants are the tenants that a sweep looks at.
func (w *world) dueTenants() []string {
	w.t.Helper()
	var due []string
	for _, item := range w.Items() {
		if item["SK"] == "PROFILE" && item["dueAt"] != nil {
			due = append(due, item["PK"].(string))
		}
	}
	return due
}

// TestALimitAdmitsTheWorstCase: a VM is let in if its whole life fits what is
// left, and gives back what it did not cost.
func TestALimitAdmitsTheWorstCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.limit("acme", "0.001")
	a := user.call("POST", "/vms", w.launchBody()).expect(t, 429)
	if a.problem.Code != dcm.CodeQuotaExceeded || !strings.Contains(a.problem.Detail, "0.001") {
		t.Errorf("refusal %+v", a.problem)
	}
	if s := w.State(); len(s.Servers) != 0 {
		t.Errorf("servers %+v", s.Servers)
	}
	w.limit("acme", "1000")
	var vm dcm.VMID
	calls := w.callsDuring(func() { vm = user.launch().ID })
	if n := total(calls["hetzner"]); n > 2 {
		t.Errorf("POST /vms with a limit: %d calls to the provider: %v", n, calls["hetzner"])
	}
	glance := user.tenant().Usage
	reserved, err := dcm.ParseMicros(glance.Reserved)
	if err != nil || reserved == 0 {
		t.Fatalf("at a glance %+v", glance)
	}
	// Room for exactly one more, and not for two.
	w.limit("acme", (2 * reserved).String())
	second := user.launch().ID
	if a := user.call("POST", "/vms", w.launchBody()).expect(t, 429); a.problem.Code != dcm.CodeQuotaExceeded {
		t.Errorf("refusal %+v", a.problem)
	}
	user.drop(vm)
	user.drop(second)
	glance = user.tenant().Usage
	if glance.Reserved != "0.00" || glance.Spent == "0.00" || glance.Spent != user.usage("").TotalCost {
		t.Errorf("at a glance %+v", glance)
	}
	// What was spent stays spent: only one fits now.
	user.launch()
	user.call("POST", "/vms", w.launchBody()).expect(t, 429)
}

// TestALimitStopsWhatRuns: a limit that comes while VMs run stops them once it
// is reached, with a backup, and the agent hears why.
func TestALimitStopsWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	hourly, err := dcm.ParseMicros(vm.Price.Hourly)
	if err != nil {
		t.Fatal(err)
	}
	other, spared := w.running(w.user("other"))
	w.limit("acme", (hourly + hourly/2).String())
	w.sweepKeys()
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandNone {
		t.Fatalf("below the limit: %+v", a)
	}
	if due := w.dueTenants(); len(due) != 1 || due[0] != "TENANT#acme" {
		t.Errorf("due are %v", due)
	}
	// The second hour begins.
	answer := dcm.HeartbeatAnswer{}
	for range 12 {
		w.advance(7 * time.Minute)
		w.sweepKeys()
		other.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		if answer = m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); answer.Command == dcm.CommandStop {
			break
		}
	}
	if answer.Command != dcm.CommandStop || answer.Reason != dcm.StopBudget || answer.Discard {
		t.Fatalf("at the limit: %+v", answer)
	}
	if ran := w.Now().Sub(vm.CreatedAt); ran < time.Hour || ran > time.Hour+2*dcm.BudgetInterval {
		t.Errorf("stopped after %s", ran)
	}
	m.backup(0, []byte("work"))
	m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopBudget, Generation: 1}).expect(t, 202)
	got := user.get(vm.ID)
	if got.Status != dcm.StatusStopped || *got.StopReason != string(dcm.StopBudget) || got.Generation != 1 {
		t.Errorf("ended as %+v", got)
	}
	if a := user.call("POST", "/vms", w.launchBody()).expect(t, 429); a.problem.Code != dcm.CodeQuotaExceeded {
		t.Errorf("refusal %+v", a.problem)
	}
	found := false
	for _, e := range user.events() {
		found = found || e.Actor == dcm.ActorSystem && e.Detail == "stopping: budget" && e.Resource == "vms/"+string(vm.ID)
	}
	if !found {
		t.Error("the log does not say who stopped it")
	}
	if got := w.user("other").get(spared.ID); got.Status != dcm.StatusRunning {
		t.Errorf("another tenant's VM is %s", got.Status)
	}
	w.advance(dcm.BudgetInterval + time.Minute)
	w.sweepKeys()
	if due := w.dueTenants(); len(due) != 0 {
		t.Errorf("without VMs, due are %v", due)
	}
}

// TestALowerLimitStopsAtOnce: the sweep after the change finds it reached.
func TestALowerLimitStopsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.limit("acme", "1000")
	_, vm := w.running(user)
	creating := user.launch()
	w.limit("acme", "0.000001")
	w.sweepKeys()
	for _, id := range []dcm.VMID{vm.ID, creating.ID} {
		if got := user.get(id); got.Status != dcm.StatusStopping || *got.StopReason != string(dcm.StopBudget) {
			t.Errorf("%s is %s", id, got.Status)
		}
	}
	// Raised again, nothing else is stopped; what is stopping goes on.
	w.limit("acme", "")
	w.sweepKeys()
	_, next := w.running(user)
	w.advance(time.Minute)
	w.sweepKeys()
	if got := user.get(next.ID); got.Status != dcm.StatusRunning {
		t.Errorf("without a limit the VM is %s", got.Status)
	}
	w.advance(dcm.LaunchDeadline + time.Minute)
	w.sweepKeys()
	if due := w.dueTenants(); len(due) != 0 {
		t.Errorf("without a limit, due are %v", due)
	}
}

// TestAMonthBeginsAnew: what was spent before does not count any more.
func TestAMonthBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	w.limit("acme", "1000")
	w.untilMonthEnds(30 * time.Minute)
	vm := user.launch()
	reserved, err := dcm.ParseMicros(user.tenant().Usage.Reserved)
	if err != nil {
		t.Fatal(err)
	}
	w.limit("acme", reserved.String())
	w.advance(10 * time.Minute)
	user.drop(vm.ID)
	user.call("POST", "/vms", w.launchBody()).expect(t, 429)
	w.advance(30 * time.Minute)
	if glance := user.tenant().Usage; glance.Spent != "0.00" {
		t.Errorf("the new month at a glance: %+v", glance)
	}
	user.launch()
}
