package api_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// roomy is a world in which a tenant may have so many VMs.
func roomy(t *testing.T, vms int) *world {
	t.Helper()
	return newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": strconv.Itoa(vms)})
}

// TestALastingStormStarvesNobody: for hours, users launch at every minute as much
// as they are let, and all they launched becomes overdue. What was overdue before
// ends within the hour, whichever shard it is in; and as the end of a VM takes
// more requests than its launch, the sweeps have the larger share, or what is
// overdue would only ever become more.
func TestALastingStormStarvesNobody(t *testing.T) {
	t.Parallel()
	w := roomy(t, 500)
	acme, storm := w.user("acme"), w.user("storm")
	for range 10 {
		acme.launch()
	}
	w.advance(dcm.BootDeadline)
	w.requests(100, 12, "")
	refused := 0
	for minute := range 180 {
		w.advance(time.Minute)
		for {
			a := storm.call("POST", "/vms", w.launchBody())
			if a.status != 201 {
				w.limited(a)
				refused++
				break
			}
		}
		w.sweep()
		if minute == 59 && len(w.books("acme").live()) > 0 {
			t.Errorf("after an hour, %d of 10 are not released", len(w.books("acme").live()))
		}
	}
	launched, waiting := 0, 0
	for _, vm := range w.books("storm").vms {
		launched++
		if vm.Status.Active() && !vm.CreatedAt.Add(dcm.BootDeadline).After(w.Now()) {
			waiting++
		}
	}
	t.Logf("%d launched, %d times refused, %d overdue", launched, refused, waiting)
	if launched < 60 || refused < 60 || waiting > launched/3 {
		t.Errorf("%d launched, %d times refused, %d overdue", launched, refused, waiting)
	}
}

// TestSweepsLeaveLaunchesTheirShare: however much is due, and however often the
// sweeps come round, a launch finds a request.
func TestSweepsLeaveLaunchesTheirShare(t *testing.T) {
	t.Parallel()
	w := roomy(t, 60)
	user := w.user("acme")
	for range 20 {
		user.launch()
	}
	w.advance(dcm.BootDeadline + time.Minute)
	w.requests(100, 45, "")
	calls := w.callsDuring(func() {
		for range 5 {
			w.sweep()
			w.sweepOrphans()
		}
	})
	// 30 are left to users, but for the sweeps' allowance of 10 in them. One more
	// found out that there is a limit at all.
	if n := total(calls["hetzner"]); n < 15 || n > 26 {
		t.Errorf("of 45 requests the sweeps made %d: %v", n, calls["hetzner"])
	}
	launched := user.launch()
	for range 120 {
		w.advance(time.Minute)
		w.sweep()
	}
	for _, vm := range w.books("acme").live() {
		t.Errorf("two hours later %s is %s", vm.ID, vm.Status)
	}
	if got := user.get(launched.ID); got.Status != dcm.StatusStopped {
		t.Errorf("%s is %s", got.ID, got.Status)
	}
	w.nothingLeft()
}

// TestARefusedLaunchIsMadeLater: a launch that was refused for want of requests
// has left no record, no slot and no answer to its key: the same call is good
// when there are requests again.
func TestARefusedLaunchIsMadeLater(t *testing.T) {
	t.Parallel()
	w := roomy(t, 30)
	user := w.user("acme")
	user.launch()
	w.requests(60, 10, "")
	for n := range 30 {
		if a := user.call("POST", "/vms", w.launchBody()); a.status != 201 {
			w.limited(a)
			break
		} else if n == 29 {
			t.Fatal("30 launches were made with 10 requests")
		}
	}
	before := user.tenant().Usage
	listed := len(user.listed())
	post := func() answer { return user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "again") }
	a := post()
	w.limited(a)
	if after := user.tenant().Usage; after != before || len(user.listed()) != listed {
		t.Errorf("a refused launch left something: %+v, was %+v; %d VMs, were %d", after, before, len(user.listed()), listed)
	}
	wait, _ := strconv.Atoi(a.header.Get("Retry-After")) // limited has looked at it
	w.advance(time.Duration(wait) * time.Second)
	if post().expect(t, 201); len(user.listed()) != listed+1 {
		t.Errorf("%d VMs, were %d", len(user.listed()), listed)
	}
}

// TestTheDNSServicesWaitIsPassedOn: Cloudflare says how long; the user hears it.
func TestTheDNSServicesWaitIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
	user := w.user("acme")
	w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": "429"})
	a := user.call("POST", "/vms", w.launchBody())
	w.limited(a)
	if wait := a.header.Get("Retry-After"); wait != "7" {
		t.Errorf("Cloudflare says 7 seconds, the answer says %s", wait)
	}
	w.clearFaults()
	for range 4 {
		w.advance(time.Minute)
		w.sweep()
	}
	w.free(user, string(dcm.CodeRateLimited))
	user.launch()
}
