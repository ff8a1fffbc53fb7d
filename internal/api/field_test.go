package api_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// What went wrong in products of this kind, a case each.

// TestAYoungVMWithoutAVersionIsNotStale: a cleaner that took "no version yet"
// for "an old version" ended machines 65 seconds after their creation.
func TestAYoungVMWithoutAVersionIsNotStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	m := w.machine(vm.ID)
	for _, step := range []func(){
		func() {},
		func() {
			m.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey}).expect(t, 200)
		},
	} {
		step()
		w.advance(65 * time.Second)
		w.sweepAll()
		if got := user.get(vm.ID); got.Status != dcm.StatusCreating || got.Error != nil || len(w.State().Servers) != 1 {
			t.Fatalf("%+v with servers %+v", got, w.State().Servers)
		}
	}
}

// sweepAll runs every sweep, as the schedules would.
func (w *world) sweepAll() {
	w.t.Helper()
	for _, name := range []string{"sweep-vms", "sweep-orphans", "sweep-keys"} {
		caller{w: w}.call("POST", "/_local/schedules/"+name, nil).expect(w.t, 200)
	}
}

// TestLackOfCapacityInAnyWording: Hetzner says 412, 422 or even "unsupported
// location" for what is sold out. The next offer is tried; when there is none
// left, the user reads what was tried, and the slot is free.
func TestLackOfCapacityInAnyWording(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{
		"412 resource_unavailable":    "resource_unavailable",
		"422 placement_error":         "placement_error",
		"422 unsupported location":    "invalid_input:unsupported location for server type",
		"422 server type deprecated":  "invalid_input:server type cx23 is deprecated",
		"422 invalid_server_type":     "invalid_server_type",
		"404 server type not offered": "not_found:server type not found",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
			user := w.user("acme")
			soldOut := map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": code}
			w.fault(soldOut)
			a := user.call("POST", "/vms", w.launchBody())
			if a.status != 503 || a.problem.Code != dcm.CodeCapacityUnavailable || strings.Count(a.problem.Detail, "@") < 2 {
				t.Errorf("all sold out: %d %s", a.status, a.body)
			}
			w.free(user, string(dcm.CodeCapacityUnavailable))
			w.clearFaults()
			soldOut["count"] = 1
			w.fault(soldOut)
			vm := user.launch()
			if s := w.State().Servers; len(s) != 1 || *vm.ServerType+"@"+*vm.Region == firstTried(a.problem.Detail) {
				t.Errorf("the next offer was not tried: %+v after %s", vm, a.problem.Detail)
			}
		})
	}
}

// firstTried is the first offer that a refusal names.
func firstTried(detail string) string {
	_, tried, _ := strings.Cut(detail, "tried ")
	first, _, _ := strings.Cut(tried, ",")
	return first
}

// TestAnEmptyAddressIsNeverPublished: a record for 0.0.0.0 would lead a user's
// requests, with their tokens, to the user's own machine.
func TestAnEmptyAddressIsNeverPublished(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`("ipv[46]":\{[^{}]*"ip":)"[^"]*"`)
	for name, ip := range map[string]string{"empty": "", "unspecified": "0.0.0.0", "unspecified IPv6": "::", "not one": "pending"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rewritten atomic.Int32
			w := newWorld(t, nil, &relay{route: route{"vms-create", "hetzner"}, around: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					from := httptest.NewRecorder()
					next.ServeHTTP(from, r)
					body := address.ReplaceAll(from.Body.Bytes(), []byte(`${1}"`+ip+`"`))
					if string(body) != from.Body.String() {
						rewritten.Add(1)
					}
					from.Header().Del("Content-Length")
					maps.Copy(w.Header(), from.Header())
					w.WriteHeader(from.Code)
					_, _ = w.Write(body)
				})
			}})
			user := w.user("acme")
			a := user.call("POST", "/vms", w.launchBody())
			if rewritten.Load() == 0 {
				t.Fatal("no address was rewritten")
			}
			if records := w.State().DNSRecords; len(records) != 0 {
				t.Errorf("published %+v", records)
			}
			if a.status == 201 {
				vm := decode[api.CreatedVM](t, a)
				m := w.machine(vm.ID)
				m.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey, IP: ip})
				if records := w.State().DNSRecords; len(records) != 0 {
					t.Errorf("published at bootstrap: %+v", records)
				}
				user.force(vm.ID)
			}
			w.nothingLeft()
		})
	}
}

// TestADeletedServerIsDeletedOnce: deleting what is gone is success, not a
// retry for ever.
func TestADeletedServerIsDeletedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	w.removeServer(*vm.ProviderID)
	user.force(vm.ID)
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped || got.Error != nil {
		t.Errorf("%+v", got)
	}
	w.nothingLeft()
	calls := w.callsDuring(func() {
		w.advance(20 * time.Minute)
		w.sweep()
		w.sweep()
	})
	if n := total(calls["hetzner"]); n != 0 {
		t.Errorf("asked again: %v", calls["hetzner"])
	}
}

// TestSettingsGoWhileAVMIsCreated removes the tenant's provider, zone or bucket
// before each of the create's outside calls in turn. Whether the create works
// or is refused, nothing is stranded.
func TestSettingsGoWhileAVMIsCreated(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"provider": "/tenant/providers/hetzner", "DNS": "/tenant/dns", "storage": "/tenant/storage"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &removal{path: path}
			var relays []*relay
			for _, service := range []string{"dynamodb", "kms", "hetzner", "cloudflare"} {
				relays = append(relays, r.relay(service))
			}
			w := newWorld(t, nil, relays...)
			w.bringAlong()
			seen := 1
			for at := 0; at < seen; at++ {
				seen = r.run(w, at)
			}
			if seen < 5 {
				t.Errorf("a create makes %d calls", seen)
			}
		})
	}
}

// removal removes a tenant's setting while a VM of the tenant is created.
type removal struct {
	path string

	mu   sync.Mutex
	user caller
	// at is before which call of the create it happens, seen how many it made.
	at, seen int
	answer   answer
}

func (r *removal) relay(service string) *relay {
	return &relay{route: route{"vms-create", service}, around: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			r.mu.Lock()
			if r.seen == r.at {
				r.answer = r.user.call("DELETE", r.path, nil)
			}
			r.seen++
			r.mu.Unlock()
			next.ServeHTTP(w, q)
		})
	}}
}

// run makes one create with the removal before its call number at, and returns
// how many calls it made.
func (r *removal) run(w *world, at int) int {
	w.t.Helper()
	user := w.user(dcm.TenantID("t" + string(rune('a'+at))))
	user.call("POST", "/tenant/providers", w.providerBody()).expect(w.t, 201)
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(w.t, 201)
	user.call("POST", "/tenant/storage", w.storageBody()).expect(w.t, 201)
	r.mu.Lock()
	r.user, r.at, r.seen = user, at, 0
	r.mu.Unlock()
	a := user.call("POST", "/vms", w.launchBody())
	r.mu.Lock()
	seen, removed := r.seen, r.answer
	r.at = -1
	r.mu.Unlock()
	if !slices.Contains([]int{200, 409}, removed.status) {
		w.t.Errorf("before call %d the removal answers %d %s", at, removed.status, removed.body)
	}
	switch a.status {
	case 201:
		w.lives(user, decode[api.CreatedVM](w.t, a).ID)
	case 409:
	default:
		w.t.Errorf("removed before call %d: %d %s", at, a.status, a.body)
	}
	w.advance(dcm.LaunchDeadline)
	w.sweepAll()
	w.nothingLeft()
	for _, vm := range user.listed() {
		if vm.Status != dcm.StatusStopped {
			w.t.Errorf("removed before call %d: %+v", at, vm)
		}
	}
	return seen
}

// lives plays a VM's whole life, with a backup that the next VM restores.
func (w *world) lives(user caller, id dcm.VMID) {
	w.t.Helper()
	m := w.machine(id)
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
	m.backup(0, []byte("work"))
	m.cleanup(1).expect(w.t, 202)
	next := decode[api.CreatedVM](w.t, user.call("POST", "/vms", w.resumeBody(user.get(id).WorkspaceID)).expect(w.t, 201))
	m = w.machine(next.ID)
	if boot := m.bootstrap(); string(w.restore(boot.Restore)) != "work" {
		w.t.Errorf("%s restores something else", next.ID)
	}
	user.force(next.ID)
}

// TestADNSServiceThatRefuses: the zone is full, or the service asks to slow
// down. The VM ends clean and the user reads why it failed.
func TestADNSServiceThatRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, says string
	}{
		"zone full":        {"81045", "limit"},
		"too many at once": {"429", "limiting"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
			user := w.user("acme")
			w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": c.code})
			a := user.call("POST", "/vms", w.launchBody())
			if a.status < 400 || !strings.Contains(a.problem.Detail, "DNS") || !strings.Contains(a.problem.Detail, c.says) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if vm := user.listed()[0]; vm.Error == nil || vm.Error.Message != a.problem.Detail {
				t.Errorf("GET says %+v", vm.Error)
			}
			w.clearFaults()
			w.advance(dcm.LaunchDeadline)
			w.sweepAll()
			w.free(user, string(a.problem.Code))
			user.launch()
		})
	}
}
