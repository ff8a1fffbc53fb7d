package api_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// keyed launches with an Idempotency-Key.
func (c caller) keyed(body map[string]any) answer {
	return c.call("POST", "/vms", body, "Idempotency-Key", "k")
}

// TestAFailedLaunchFreesItsKey: while a launch that failed is being undone, its key
// answers the failure, and when it will be over. Then the same request is a new try,
// whose VM the key stands for from now on; another request never is.
func TestAFailedLaunchFreesItsKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// service is "" where the provider's limit is used up.
		service, operation, code string
		status                   int
		answer                   dcm.Code
		// again is what a second try is answered while the first is undone.
		again dcm.Code
	}{
		"too many requests":            {"", "", "", 429, dcm.CodeRateLimited, dcm.CodeRateLimited},
		"DNS: too many requests":       {"cloudflare", "*", "429", 429, dcm.CodeRateLimited, dcm.CodeRateLimited},
		"DNS: not available":           {"cloudflare", "*", "503", 503, dcm.CodeProviderUnavailable, dcm.CodeProviderUnavailable},
		"the function's record failed": {"dynamodb", "UpdateItem", "", 500, dcm.CodeInternal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
			user := w.user("acme")
			if c.service == "" {
				w.LimitHetzner("local-hetzner-token", 60, 0)
			} else {
				w.fault(map[string]any{"service": c.service, "operation": c.operation, "mode": "error", "code": c.code})
			}
			if a := user.keyed(w.launchBody()); a.status != c.status || a.problem.Code != c.answer {
				t.Fatalf("%d %s", a.status, a.body)
			}
			w.clearFaults()
			w.LimitHetzner("local-hetzner-token", 3600, 3600)
			if c.again != "" {
				w.stillUndone(user, c.again)
			} else {
				w.advance(dcm.LaunchDeadline)
				w.sweep()
			}
			refused := func() { // at every time
				t.Helper()
				if a := user.keyed(w.launchWith("name", "other")); a.status != 409 || a.problem.Code != dcm.CodeConflict {
					t.Errorf("another request: %d %s", a.status, a.body)
				}
			}
			refused()
			w.advance(time.Hour) // which fills what is known of the provider's limit
			vm := w.oneOf(user)
			refused()
			again := decode[api.CreatedVM](t, user.keyed(w.launchBody()).expect(t, 201))
			if again.ID != vm.ID || again.TerminalPassword != vm.TerminalPassword {
				t.Errorf("%s, and then %s", vm.ID, again.ID)
			}
			if v := user.tenant(); v.Usage.ActiveVMs != 1 || len(user.listed()) != 2 {
				t.Errorf("%d slots are taken; VMs: %+v", v.Usage.ActiveVMs, user.listed())
			}
			user.force(vm.ID)
			w.nothingLeft()
		})
	}
}

// stillUndone asks with the key until the answer's word says that it is free.
func (w *world) stillUndone(user caller, code dcm.Code) {
	w.t.Helper()
	a := user.keyed(w.launchBody())
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.problem.Code != code || err != nil || wait < 1 || len(user.listed()) != 1 {
		w.t.Fatalf("while it is undone: %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	for end := w.Now().Add(time.Duration(wait) * time.Second); w.Now().Before(end); w.sweep() {
		w.advance(time.Minute)
	}
}

// oneOf launches many times at once with the key, and returns the one VM of all.
func (w *world) oneOf(user caller) api.CreatedVM {
	w.t.Helper()
	vms := make([]api.CreatedVM, 6)
	var all sync.WaitGroup
	for i := range vms {
		all.Go(func() {
			if a := user.keyed(w.launchBody()); a.status == 201 {
				vms[i] = decode[api.CreatedVM](w.t, a)
			}
		})
	}
	all.Wait()
	for _, vm := range vms {
		if vm.ID == "" || vm.ID != vms[0].ID || vm.TerminalPassword != vms[0].TerminalPassword {
			w.t.Fatalf("one key, several answers: %s and %s", vms[0].ID, vm.ID)
		}
	}
	if n := len(w.State().Servers); n != 1 {
		w.t.Errorf("%d servers", n)
	}
	return vms[0]
}

// TestAKeyOfAVMThatEndedStays: a key whose VM was somebody's answers that VM, also
// when it has ended.
func TestAKeyOfAVMThatEndedStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	first := decode[api.CreatedVM](t, user.keyed(w.launchBody()).expect(t, 201))
	user.force(first.ID)
	again := decode[api.CreatedVM](t, user.keyed(w.launchBody()).expect(t, 201))
	if again.ID != first.ID || again.Status != dcm.StatusStopped {
		t.Errorf("the key of %s, which has ended, answers %s, %s", first.ID, again.ID, again.Status)
	}
}
