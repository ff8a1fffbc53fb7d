package api_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestCallsPerOperation holds the table of calls that the design promises:
// what an operation costs is part of the contract.
func TestCallsPerOperation(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"the platform's accounts": false, "accounts of its own": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCallsPerOperation(t, own)
		})
	}
}

// testCallsPerOperation: a tenant's own accounts cost no more. A function opens
// them once in five minutes; the first launch pays a KMS call for it.
func testCallsPerOperation(t *testing.T, own bool) {
	w := newWorld(t, nil)
	user := w.user("acme")
	if own {
		w.bringAlong()
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
		user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
		// Another bucket makes the tenant due, and once more when launches under
		// way are over; done now, no sweep's calls are counted among the others.
		w.advance(dcm.LaunchDeadline + time.Minute)
		caller{w: w}.call("POST", "/_local/schedules/sweep-keys", nil).expect(t, 200)
	}
	// Two warm-ups: what a cold start fetches once is not a call per request.
	m, _ := w.running(user)
	m.challenge(challengeValue("warm")).expect(t, 200)
	m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser}).expect(t, 202)

	check := func(name string, dynamodb, kms, provider, dns int, f func()) {
		t.Helper()
		calls := w.callsDuring(f)
		if name != "GET /vms" {
			// The sweep looks at the due index whenever its minute comes round.
			delete(calls["dynamodb"], "Query")
		}
		for service, most := range map[string]int{"dynamodb": dynamodb, "kms": kms, "hetzner": provider, "cloudflare": dns} {
			if n := total(calls[service]); n > most {
				t.Errorf("%s: %d calls to %s, at most %d are promised: %v", name, n, service, most, calls[service])
			}
		}
	}
	var vm dcm.VMID
	check("POST /vms", 3, 3, 2, 1, func() { vm = user.launch().ID })
	check("GET /vms/{id}", 1, 0, 0, 0, func() { user.get(vm) })
	check("GET /vms", 1, 0, 0, 0, func() { user.call("GET", "/vms?status=creating&limit=10", nil).expect(t, 200) })
	m = w.machine(vm)
	check("bootstrap", 2, 3, 0, 0, func() { m.bootstrap() })
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	check("heartbeat, nothing new", 1, 0, 0, 0, func() { m.beat(dcm.Heartbeat{State: dcm.AgentRunning}) })
	w.advance(4 * time.Minute)
	check("heartbeat that moves dueAt", 2, 0, 0, 0, func() { m.beat(dcm.Heartbeat{State: dcm.AgentRunning}) })
	check("heartbeat after that", 1, 0, 0, 0, func() { m.beat(dcm.Heartbeat{State: dcm.AgentRunning}) })
	check("dns-challenge", 2, 0, 0, 2, func() { m.challenge(challengeValue("one")).expect(t, 200) })
	check("dns-challenge that withdraws", 1, 0, 0, 2, func() { m.challenge("").expect(t, 200) })
	check("cleanup", 3, 2, 2, 2, func() {
		m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser}).expect(t, 202)
	})
	if got := user.get(vm); got.Status != dcm.StatusStopped {
		t.Errorf("status %s after cleanup", got.Status)
	}
	// Challenges that are left for its certificate make a release no dearer.
	m, _ = w.running(user)
	m.challenge(challengeValue("one")).expect(t, 200)
	m.challenge(challengeValue("two")).expect(t, 200)
	check("cleanup with challenges", 3, 2, 2, 2, func() {
		m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser}).expect(t, 202)
	})
	w.nothingLeft()
}

// TestCallsOfAColdLaunch: the first launch that a function serves opens the
// tenant's token for its provider and the one for its domain with one call, in
// whatever order they came, at once too, and after any of them was replaced.
func TestCallsOfAColdLaunch(t *testing.T) {
	t.Parallel()
	const rotated, rotatedDNS = "acme-rotated-token", "acme-rotated-dns"
	for name, bring := range map[string]func(provider, dns func(token string)){
		"provider, then domain": func(provider, dns func(string)) { provider(ownToken); dns(ownDNSToken) },
		"domain, then provider": func(provider, dns func(string)) { dns(ownDNSToken); provider(ownToken) },
		"both at once": func(provider, dns func(string)) {
			var both sync.WaitGroup
			both.Go(func() { provider(ownToken) })
			both.Go(func() { dns(ownDNSToken) })
			both.Wait()
		},
		"another token for the provider": func(provider, dns func(string)) {
			provider(ownToken)
			dns(ownDNSToken)
			provider(rotated)
		},
		"another token for the domain": func(provider, dns func(string)) {
			provider(ownToken)
			dns(ownDNSToken)
			dns(rotatedDNS)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.bringAlong()
			w.AddHetznerToken(rotated, hetzner.Token{Project: "acme"})
			w.AddCloudflareToken(rotatedDNS, cloudflare.Token{Zones: []string{ownZone}})
			user := w.user("acme")
			set := func(path string, body map[string]any) func(string) {
				return func(token string) {
					body["apiToken"] = token
					user.call("POST", path, body).expect(t, 201)
				}
			}
			bring(set("/tenant/providers", w.providerBody()), set("/tenant/dns", w.dnsBody()))
			var vm api.CreatedVM
			calls := w.callsDuring(func() { vm = user.launch() })
			if want := map[string]int{"Decrypt": 1, "GenerateDataKey": 1, "Sign": 1}; !maps.Equal(calls["kms"], want) {
				t.Errorf("calls to KMS %v, want %v", calls["kms"], want)
			}
			if vm.Hostname != string(vm.ID)+".vm."+ownDomain {
				t.Errorf("%s is not in the tenant's domain", vm.Hostname)
			}
			delete(calls["dynamodb"], "Query")
			if n := total(calls["dynamodb"]); n > 3 {
				t.Errorf("%d calls to DynamoDB: %v", n, calls["dynamodb"])
			}
			user.force(vm.ID)
			w.nothingLeft()
		})
	}
}
