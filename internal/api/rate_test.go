package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// A provider lets one credential ask so much an hour. These tests play small
// limits at the simulated one, which counts as the real one does.

// newPaperWorld is a world whose servers only exist on paper, for many of them.
func newPaperWorld(t *testing.T, vms int) *world {
	t.Helper()
	return newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": strconv.Itoa(vms)})
}

// limitedPost tries to launch a VM: "" means that too much was asked of the
// provider, which the answer must say as it is promised.
func (c caller) limitedPost(key string) dcm.VMID {
	c.w.t.Helper()
	a := c.call("POST", "/vms", c.w.launchBody(), "Idempotency-Key", key)
	if a.status == 201 {
		return decode[api.CreatedVM](c.w.t, a).ID
	}
	a.saysLimited(c.w.t, "hetzner")
	return ""
}

// saysLimited checks a refusal: its code, its header, and words that a user can
// act on.
func (a answer) saysLimited(t *testing.T, who string) {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || a.problem.Code != dcm.CodeRateLimited || err != nil || seconds < 1 || seconds > 3600 {
		t.Errorf("%d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	if d := a.problem.Detail; !strings.Contains(d, "too many requests were made to "+who) || !strings.Contains(d, "try again in ") {
		t.Errorf("the answer says %q", d)
	}
}

// minutes lets the schedules come round, minute by minute.
func (w *world) minutes(n int, each func()) {
	w.t.Helper()
	for range n {
		w.advance(time.Minute)
		w.sweep()
		if each != nil {
			each()
		}
	}
}

// TestAStormOfCreates: many more launches at once than the provider lets through.
// Each is either made or refused in words, and those that were refused leave
// nothing, to pay or to read.
func TestAStormOfCreates(t *testing.T) {
	t.Parallel()
	const posts = 30
	w := newPaperWorld(t, posts)
	user := w.user("acme")
	user.force(user.launch().ID) // no cold starts
	w.LimitHetzner("", 60, 20)
	var mu sync.Mutex
	launched := map[dcm.VMID]bool{}
	each(posts, 10, func(n int) {
		if id := user.limitedPost(fmt.Sprint("key-", n)); id != "" {
			mu.Lock()
			defer mu.Unlock()
			launched[id] = true
		}
	})
	if n := len(launched); n < 5 || n > 20 {
		t.Errorf("%d of %d were launched, with 20 requests", n, posts)
	}

	// From now on a refusal is known before anything is written or asked.
	listed := len(user.listed())
	calls := w.callsDuring(func() {
		if user.limitedPost("one-more") != "" {
			t.Error("there was a request left for one more")
		}
	})
	if total(calls["hetzner"]) != 0 || total(calls["dynamodb"]) > 1 || len(user.listed()) != listed {
		t.Errorf("a refusal cost %v", calls)
	}
	if left, _ := w.HetznerLeft(""); left < 0 {
		t.Errorf("%d requests left", left)
	}

	// What had been begun is undone when there are requests again; what had not is
	// created then, with the same key.
	w.minutes(60, nil)
	if user.limitedPost("one-more") == "" {
		t.Error("an hour later there is still no request")
	}
	servers := map[dcm.VMID]bool{}
	for _, s := range w.State().Servers {
		servers[dcm.VMID(s.Labels[dcm.LabelVM])] = true
	}
	for id := range servers {
		if vm := user.get(id); !vm.Status.Active() {
			t.Errorf("the server of %s, which is %s", id, vm.Status)
		}
	}
	for _, vm := range user.listed() {
		if vm.Status.Active() && !servers[vm.ID] || !launched[vm.ID] && vm.Status == dcm.StatusStopped && servers[vm.ID] {
			t.Errorf("%s is %s, its server exists: %v", vm.ID, vm.Status, servers[vm.ID])
		}
	}
}

// TestSweepsLeaveTheCreatesTheirs: however much is due, launches find requests.
func TestSweepsLeaveTheCreatesTheirs(t *testing.T) {
	t.Parallel()
	w := newPaperWorld(t, 60)
	user := w.user("acme")
	for range 20 {
		user.launch()
	}
	w.advance(dcm.BootDeadline + time.Minute) // all are due
	w.LimitHetzner("", 100, 45)
	for range 5 {
		w.sweep()
		w.sweepOrphans()
	}
	left, refused := w.HetznerLeft("")
	// 30 are the users', and what the sweeps may take of those is 10.
	if left < 20 || left >= 45 || refused > 0 {
		t.Errorf("the sweeps left %d of 45, and asked %d times in vain", left, refused)
	}
	if user.limitedPost("k") == "" {
		t.Error("the sweeps left no request for a launch")
	}
	w.minutes(120, nil)
	if live := slices.DeleteFunc(user.listed(), func(vm api.VM) bool { return !vm.Status.Active() }); len(live) > 0 {
		t.Errorf("two hours later %d VMs are not released: %+v", len(live), live[0])
	}
	w.nothingLeft()
}

// TestCreatesDontStarveTheSweeps: users launch as much as they are let, minute
// after minute, and what is overdue ends all the same.
func TestCreatesDontStarveTheSweeps(t *testing.T) {
	t.Parallel()
	w := newPaperWorld(t, 500)
	acme, storm := w.user("acme"), w.user("storm")
	overdue := map[dcm.VMID]bool{}
	for range 10 {
		overdue[acme.launch().ID] = true
	}
	w.advance(dcm.BootDeadline)
	w.LimitHetzner("", 100, 12)
	launched, refusedPosts := 0, 0
	ended := 0
	for minute := 0; ended < len(overdue) && minute < 180; minute++ {
		w.advance(time.Minute)
		for {
			if storm.limitedPost(fmt.Sprint(launched, "-", refusedPosts)) == "" {
				refusedPosts++
				break
			}
			launched++
		}
		w.sweep()
		ended = 0
		for _, vm := range acme.listed() {
			if !vm.Status.Active() {
				ended++
			}
		}
	}
	if ended != len(overdue) {
		t.Errorf("%d of %d overdue VMs ended in three hours", ended, len(overdue))
	}
	if launched < 20 || refusedPosts < 20 {
		t.Errorf("%d launches, %d refused: neither side was to win", launched, refusedPosts)
	}
	if _, refused := w.HetznerLeft(""); refused > 0 {
		t.Errorf("the provider refused %d requests that we had not counted", refused)
	}
}

// TestAnEmptyBudgetIsItsOwnersAlone: a tenant has used up its own account's limit
// with many VMs due. They end by and by, each later than asked for and none
// refused by the provider; the neighbour's end at once.
func TestAnEmptyBudgetIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	due := number(t, "DCM_RATE_VMS", 200)
	w := newPaperWorld(t, due)
	w.bringAlong()
	acme, beta := w.user("acme"), w.user("beta")
	acme.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	each(due, 4, func(int) { acme.launch() })
	for range 5 {
		beta.launch()
	}
	w.LimitHetzner("acme", 300, 0)
	w.advance(dcm.BootDeadline + time.Minute)

	for range 4 {
		w.sweep()
	}
	if n := w.serversOf("beta"); n > 0 {
		t.Errorf("%d of the neighbour's servers wait for acme's limit", n)
	}
	if n := w.serversOf("acme"); n < due-5 {
		t.Errorf("%d of %d servers went with no request left", due-n, due)
	}
	id := acme.aVMThat(dcm.StatusStopping)
	acme.force(id) // says 202, and is done later
	if vm := acme.get(id); vm.Status != dcm.StatusStopping || vm.Error == nil || !strings.Contains(vm.Error.Message, "too many requests") {
		t.Errorf("%s: %+v", vm.Status, vm.Error)
	}
	if beta.limitedPost("k") == "" {
		t.Error("the neighbour can't launch")
	}

	minutes := 0
	for ; w.serversOf("acme") > 0 && minutes < 12*60; minutes += 5 {
		w.advance(5 * time.Minute)
		w.sweep()
	}
	if n := w.serversOf("acme"); n > 0 {
		t.Errorf("%d of %d servers exist after 12 hours", n, due)
	}
	w.minutes(3, nil)
	if books := w.books("acme"); len(books.live()) > 0 {
		t.Errorf("%d VMs still hold a slot", len(books.live()))
	}
	_, refused := w.HetznerLeft("acme")
	t.Logf("%d VMs ended in %d minutes, %d requests were refused", due, minutes, refused)
	if refused > due/10 {
		t.Errorf("the provider was asked %d times in vain", refused)
	}
}

// serversOf counts a tenant's servers.
func (w *world) serversOf(tenant dcm.TenantID) (n int) {
	for _, s := range w.State().Servers {
		if s.Labels[dcm.LabelTenant] == string(tenant) {
			n++
		}
	}
	return n
}

// aVMThat is one of the tenant's VMs in a state.
func (c caller) aVMThat(is dcm.Status) dcm.VMID {
	c.w.t.Helper()
	for _, vm := range c.listed() {
		if vm.Status == is {
			return vm.ID
		}
	}
	c.w.t.Fatalf("no VM is %s", is)
	return ""
}

// TestNobodyPollsAProvider: what is asked of a provider in an hour does not grow
// with the VMs that are well.
func TestNobodyPollsAProvider(t *testing.T) {
	t.Parallel()
	few, many := anHour(t, 2), anHour(t, 8)
	if !maps.Equal(few, many) {
		t.Errorf("an hour of 2 VMs: %v; of 8: %v", few, many)
	}
	delete(few, "ListServers") // sweep-orphans, once a run for the credential
	if len(few) > 0 {
		t.Errorf("beside the lists: %v", few)
	}
}

// anHour is what is asked of the provider in an hour of VMs that heartbeat, with
// all sweeps.
func anHour(t *testing.T, vms int) map[string]int {
	t.Helper()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": strconv.Itoa(vms)})
	user := w.user("acme")
	var machines []*machine
	for range vms {
		m := &machine{caller: caller{w: w}, id: user.launch().ID, publicKey: newPublicKey(t)}
		w.eventually("the boot of "+string(m.id), func() bool { return w.hardware.token(m.id) != "" })
		m.bootToken = w.hardware.token(m.id)
		m.bootstrap()
		machines = append(machines, m)
	}
	return w.callsDuring(func() {
		for minute := range 60 {
			w.advance(time.Minute)
			for _, m := range machines {
				m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
			}
			w.sweep()
			if minute%15 == 14 {
				w.sweepOrphans()
			}
		}
		for _, vm := range user.listed() {
			if vm.Status != dcm.StatusRunning {
				t.Errorf("%s is %s", vm.ID, vm.Status)
			}
		}
	})["hetzner"]
}

// TestTheDNSServiceAsksToSlowDown: its wait is told to the user, nothing is left,
// and the next launch is made.
func TestTheDNSServiceAsksToSlowDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
	user := w.user("acme")
	w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": "429"})
	a := user.call("POST", "/vms", w.launchBody())
	a.saysLimited(t, "the DNS service")
	if a.header.Get("Retry-After") != "7" {
		t.Errorf("Cloudflare says 7 seconds, the answer %s", a.header.Get("Retry-After"))
	}
	w.clearFaults()
	w.minutes(4, nil)
	w.free(user, string(dcm.CodeRateLimited))
	user.launch()
}

// TestAProviderThatBlocks: an answer 429 in the middle of a release puts it off
// for as long as it says, in every function, and is no failure of the VM's.
func TestAProviderThatBlocks(t *testing.T) {
	t.Parallel()
	w := newPaperWorld(t, 3)
	user := w.user("acme")
	first, second := user.launch(), user.launch()
	w.LimitHetzner("", 60, 0) // and nobody knows yet
	user.force(first.ID)
	if vm := user.get(first.ID); vm.Status != dcm.StatusStopping || vm.Error == nil || !strings.Contains(vm.Error.Message, "too many requests") {
		t.Errorf("%s: %+v", vm.Status, vm.Error)
	}
	_, heard := w.HetznerLeft("")
	if heard == 0 {
		t.Error("the provider was not asked")
	}
	user.force(second.ID)
	if user.limitedPost("k") != "" {
		t.Error("launched while the provider blocks")
	}
	w.sweep()
	w.sweepOrphans()
	if _, refused := w.HetznerLeft(""); refused != heard {
		t.Errorf("the provider refused %d requests, %d were enough to know", refused, heard)
	}
	w.minutes(15, nil)
	for _, vm := range user.listed() {
		if vm.Status != dcm.StatusStopped {
			t.Errorf("%s is %s: %+v", vm.ID, vm.Status, vm.Error)
		}
	}
	w.nothingLeft()
	if user.limitedPost("k") == "" {
		t.Error("the limit is back, and the launch is refused")
	}
}
