package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// requests sets the provider's limit on requests, of one project or all.
func (w *world) requests(perHour, left int, project string) {
	w.t.Helper()
	caller{w: w}.call("POST", "/_local/limits", map[string]any{
		"hetznerRequestsPerHour": perHour, "hetznerRequestsLeft": left, "hetznerProject": project,
	}).expect(w.t, 204)
}

// storm launches as many VMs of each user at once, and returns those that were
// launched. Whoever is refused reads why, and when to come again.
func (w *world) storm(users []caller, each int) (launched []dcm.VMID, refused int) {
	w.t.Helper()
	answers := make([]answer, len(users)*each)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = users[i%len(users)].call("POST", "/vms", w.launchBody()) })
	}
	all.Wait()
	for _, a := range answers {
		if a.status == http.StatusCreated {
			launched = append(launched, decode[struct {
				ID dcm.VMID `json:"id"`
			}](w.t, a).ID)
			continue
		}
		refused++
		w.limited(a)
	}
	return launched, refused
}

// limited checks an answer that the provider's limit was the reason of.
func (w *world) limited(a answer) {
	w.t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || a.problem.Code != dcm.CodeRateLimited || err != nil || seconds < 1 {
		w.t.Errorf("%d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	if !strings.Contains(a.problem.Detail, "limiting our requests") {
		w.t.Errorf("the user reads %q", a.problem.Detail)
	}
}

func (w *world) users(n int) (users []caller, tenants []dcm.TenantID) {
	for i := range n {
		t := dcm.TenantID(fmt.Sprintf("t%d", i))
		users, tenants = append(users, w.user(t)), append(tenants, t)
	}
	return users, tenants
}

// withoutRates is the table but for what is left of the limits on requests: those
// that a dry run makes are made.
func (w *world) withoutRates() string {
	w.t.Helper()
	var items, kept []map[string]any
	if err := json.Unmarshal(w.dump(), &items); err != nil {
		w.t.Fatal(err)
	}
	for _, item := range items {
		if _, of := item["rate"]; of {
			delete(item, "rate")
			delete(item, "writeId")
		}
		if !strings.Contains(fmt.Sprint(item["PK"]), "PLATFORM") {
			kept = append(kept, item)
		}
	}
	return fmt.Sprint(kept)
}

// TestAStormOfCreatesAndOverdueVMs: many tenants share the platform's account and
// its limit. Launches empty it; who comes too late is refused before anything
// exists. All that was launched becomes overdue, while launches go on at every
// minute: neither starves the other.
func TestAStormOfCreatesAndOverdueVMs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "100"})
	users, tenants := w.users(6)
	users[0].force(users[0].launch().ID)
	w.requests(120, 40, "")
	launched, refused := w.storm(users, 10)
	late, _ := w.storm(users, 1)
	if len(launched) < 20 || refused == 0 || len(late) != 0 {
		t.Errorf("launched %d, refused %d, and afterwards launched %d", len(launched), refused, len(late))
	}
	calls := w.callsDuring(func() { w.limited(users[0].call("POST", "/vms", w.launchBody())) })
	if total(calls["hetzner"]) != 0 || total(calls["cloudflare"]) != 0 || total(calls["dynamodb"]) > 2 {
		t.Errorf("a refused POST made %v", calls)
	}
	if n := len(w.State().Servers); n != len(launched) {
		t.Errorf("%d servers of %d VMs", n, len(launched))
	}

	// None of them calls: all are overdue, and launches come all the time.
	w.advance(dcm.BootDeadline)
	between, ended := 0, time.Duration(0)
	for ; len(w.missing(launched)) < len(launched) && ended < 6*time.Hour; ended += 2 * time.Minute {
		w.advance(2 * time.Minute)
		a := users[between%len(users)].call("POST", "/vms", w.launchBody())
		if a.status == http.StatusCreated {
			between++
		} else {
			w.limited(a)
		}
		w.sweep()
	}
	// Two requests come back a minute; half of them are the sweeps'. A VM needs
	// two, and those that came between become overdue too.
	if most := time.Duration(len(launched)+between) * 2 * time.Minute; ended > most {
		t.Errorf("%d overdue VMs took %v to end, want %v at most; %d launches came between", len(launched), ended, most, between)
	}
	if between < int(ended.Minutes())/6 {
		t.Errorf("in %v, only %d launches came between", ended, between)
	}
	t.Logf("%d launched, %d refused; %d ended in %v with %d launches between", len(launched), refused, len(launched), ended, between)

	// What came between ends too, and every refused POST has left nothing.
	for range 30 {
		w.advance(10 * time.Minute)
		w.sweep()
	}
	w.nothingLeft()
	for _, tenant := range tenants {
		if b := w.books(tenant); len(b.live()) != 0 || len(w.breaches(b)) != 0 {
			t.Errorf("%s: %d live, %v", tenant, len(b.live()), w.breaches(b))
		}
	}
}

// missing are the VMs that have no server any more.
func (w *world) missing(ids []dcm.VMID) (gone []dcm.VMID) {
	alive := map[string]bool{}
	for _, s := range w.State().Servers {
		alive[s.Labels[dcm.LabelVM]] = true
	}
	for _, id := range ids {
		if !alive[string(id)] {
			gone = append(gone, id)
		}
	}
	return gone
}

// TestManyReleasesAndASmallLimit: 200 VMs are due at once, and the provider lets
// through four requests a minute. All end, by and by. What waits is put off, each to
// its own time, and not looked at again and again.
func TestManyReleasesAndASmallLimit(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("200 VMs")
	}
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "100"})
	users, tenants := w.users(20)
	launched, _ := w.storm(users, 10)
	if len(launched) != 200 {
		t.Fatalf("launched %d", len(launched))
	}
	w.advance(dcm.BootDeadline)
	w.requests(240, 60, "")
	handled, hours := 0, 0
	for ; len(w.State().Servers) > 0 && hours < 24; hours++ {
		for range 12 {
			calls := w.callsDuring(w.sweep)
			handled += calls["dynamodb"]["BatchGetItem"]
			if n := calls["hetzner"]["DeleteServer"]; n > 60 {
				t.Errorf("a sweep made %d deletions, with at most 60 requests left", n)
			}
			w.advance(5 * time.Minute)
		}
	}
	w.nothingLeft()
	for _, tenant := range tenants {
		if live := w.books(tenant).live(); len(live) != 0 {
			t.Errorf("%s has %d live VMs left", tenant, len(live))
		}
	}
	// 400 requests, at 240 an hour.
	if hours > 4 {
		t.Errorf("it took %d hours", hours)
	}
	if handled > 200*(hours+1) {
		t.Errorf("%d looks at 200 VMs", handled)
	}
	t.Logf("200 VMs ended in %d hours, with %d looks", hours, handled)
}

// TestOneTenantsEmptyLimitSlowsNobodyElse: acme's own account has nothing left.
// Its VM waits and says so; globex's ends in the same run, and launches go on.
func TestOneTenantsEmptyLimitSlowsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, globex := w.user("acme"), w.user("globex")
	w.bringAlong()
	acme.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	mine, theirs := acme.launch(), globex.launch()
	w.advance(dcm.BootDeadline)
	w.requests(60, 0, "acme")
	w.sweep()
	if got := globex.get(theirs.ID); got.Status != dcm.StatusStopped {
		t.Errorf("globex's VM is %s", got.Status)
	}
	if got := acme.get(mine.ID); got.Status != dcm.StatusStopping || len(w.State().Servers) != 1 {
		t.Errorf("acme's VM is %s, servers %+v", got.Status, w.State().Servers)
	}
	w.limited(acme.call("POST", "/vms", w.launchBody()))
	globex.force(globex.launch().ID)

	// One request a minute: after a few there is enough for a release, not for a
	// launch, which leaves some.
	w.advance(3 * time.Minute)
	w.limited(acme.call("POST", "/vms", w.launchBody()))
	for range 5 {
		w.sweep()
		w.advance(time.Minute)
	}
	if got := acme.get(mine.ID); got.Status != dcm.StatusStopped {
		t.Errorf("acme's VM is %s", got.Status)
	}
	w.nothingLeft()
	w.advance(time.Hour)
	acme.force(acme.launch().ID)
	w.nothingLeft()
}

// TestAReleaseThatMustWait: DELETE and cleanup are put off, without an error and
// with a word to the user, until the provider has time for them.
func TestAReleaseThatMustWait(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*machine, caller){
		"DELETE": func(m *machine, user caller) { user.call("DELETE", m.path("?force=true"), nil).expect(t, 202) },
		"cleanup": func(m *machine, _ caller) {
			m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser, Discard: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user := w.user("acme")
			vm := user.launch()
			m := w.machine(vm.ID)
			m.bootstrap()
			w.requests(60, 0, "")
			end(m, user)
			// It was told by the provider; the next one knows without asking.
			calls := w.callsDuring(func() { end(m, user) })
			if n := total(calls["hetzner"]); n != 0 {
				t.Errorf("asked again: %v", calls["hetzner"])
			}
			got := user.get(vm.ID)
			if got.Status != dcm.StatusStopping || got.Error == nil || !strings.Contains(got.Error.Message, "slow down") {
				t.Errorf("GET says %s, %+v", got.Status, got.Error)
			}
			for range 6 {
				w.advance(time.Minute)
				w.sweep()
			}
			if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
				t.Errorf("after a while it is %s", got.Status)
			}
			w.nothingLeft()
		})
	}
}

// TestNoPollPerVM: an hour of VMs that work. Nobody asks the provider about any
// of them; only sweep-orphans lists the account, once per run.
func TestNoPollPerVM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "8"})
	user := w.user("acme")
	var machines []*machine
	for range 8 {
		m, _ := w.running(user)
		machines = append(machines, m)
	}
	calls := w.callsDuring(func() {
		for minute := range 60 {
			w.advance(time.Minute)
			for _, m := range machines {
				m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
			}
			w.sweep()
			if minute%15 == 14 {
				w.sweepOrphans()
			}
		}
	})
	if n := total(calls["hetzner"]); n > 4 || calls["hetzner"]["ListServers"] != n {
		t.Errorf("%d VMs took %v in an hour", len(machines), calls["hetzner"])
	}
	if n := len(w.State().Servers); n != len(machines) {
		t.Errorf("%d servers left of %d", n, len(machines))
	}
}

// TestTheDNSServiceLimitsARelease: Cloudflare refuses with 429. The server goes,
// the record says what is in the way, and the end comes when it may.
func TestTheDNSServiceLimitsARelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": "429"})
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	got := user.get(vm.ID)
	if got.Status != dcm.StatusStopping || got.Error == nil || !strings.Contains(got.Error.Message, "Cloudflare") {
		t.Errorf("GET says %s, %+v", got.Status, got.Error)
	}
	if n := len(w.State().Servers); n != 0 {
		t.Errorf("%d servers wait for the DNS service", n)
	}
	w.limited(user.call("POST", "/vms", w.launchBody()))
	w.clearFaults()
	w.advance(10 * time.Minute)
	w.sweep()
	w.nothingLeft()
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
		t.Errorf("it is %s", got.Status)
	}
}
