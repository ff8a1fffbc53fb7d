package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
)

type localObject = local.ObjectState

// zones lists the names of the records in each zone.
func (w *world) zones() map[string][]string {
	names := map[string][]string{}
	for _, r := range w.State().DNSRecords {
		if r.Type == "A" {
			names[r.Zone] = append(names[r.Zone], r.Name)
		}
	}
	return names
}

func TestHostnamePatterns(t *testing.T) {
	t.Parallel()
	t.Run("on the platform's domain, under the tenant's label", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		if vm := w.user("acme").launch(); vm.Hostname != string(vm.ID)+".acme.vm.localhost" {
			t.Errorf("hostname %s", vm.Hostname)
		}
	})
	t.Run("on the tenant's own zone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		a := user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
		if v := decode[api.DNSConfig](t, a); v.Type != "custom" || *v.ZoneID != ownZone || v.BaseDomain != ownDomain || len(*v.Fingerprint) != 12 {
			t.Errorf("%s", a.body)
		}
		vm := user.launch()
		if vm.Hostname != string(vm.ID)+".vm."+ownDomain {
			t.Errorf("hostname %s", vm.Hostname)
		}
		if got := w.zones()[ownZone]; !slices.Equal(got, []string{"*." + vm.Hostname}) {
			t.Errorf("records %v", w.zones())
		}
		if vm := w.user("other").launch(); vm.Hostname != string(vm.ID)+".other.vm.localhost" {
			t.Errorf("another tenant's hostname %s", vm.Hostname)
		}
		w.keepsSecret([]string{ownDNSToken}, a, user.call("GET", "/tenant", nil))
	})
}

// TestACheckThatDiedIsNoLeak: what it made in the tenant's zone is found there, as
// soon as the zone is the tenant's.
func TestACheckThatDiedIsNoLeak(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	w.fault(map[string]any{"service": "cloudflare", "operation": "DeleteRecord", "mode": "error"})
	a := user.call("POST", "/tenant/dns", w.dnsBody())
	if a.status == 201 {
		t.Fatal("the check passed")
	}
	if len(w.State().DNSRecords) != 1 {
		t.Fatalf("records %+v", w.State().DNSRecords)
	}
	if name := w.State().DNSRecords[0].Name; !strings.Contains(a.problem.Detail, name) {
		t.Errorf("%s is left, and the user reads %q", name, a.problem.Detail)
	}
	w.fault(map[string]any{"service": "cloudflare", "operation": "BatchRecords", "mode": "error", "code": "403"})
	w.fault(map[string]any{"service": "cloudflare", "operation": "CreateRecord", "mode": "error", "code": "403"})
	if a := user.call("POST", "/tenant/dns", w.dnsBody()); a.status == 201 || strings.Contains(a.problem.Detail, "left") {
		t.Errorf("a check that made nothing: %d %s", a.status, a.body)
	}
	w.clearFaults()
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	w.advance(dcm.OrphanGrace + dcm.ReconcileInterval)
	w.sweepOrphans()
	w.nothingLeft()
}

// TestDNSSettingsChangeWhileAVMLives: its record is withdrawn from where it was
// published, whatever the settings are by then.
func TestDNSSettingsChangeWhileAVMLives(t *testing.T) {
	t.Parallel()
	const otherZone, otherToken = "beebeebeebeebeebeebeebeebeebeebe", "acme-second-cloudflare-token"
	w := newWorld(t, nil)
	w.bringAlong()
	w.AddZone(otherZone, "acme.example")
	w.AddCloudflareToken(otherToken, cloudflare.Token{Zones: []string{otherZone}})
	user := w.user("acme")

	shared := user.launch()
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	own := user.launch()
	user.call("POST", "/tenant/dns", map[string]any{
		"type": "custom", "zoneId": otherZone, "apiToken": otherToken, "baseDomain": "ACME.example",
	}).expect(t, 201)
	second := user.launch()
	a := user.call("DELETE", "/tenant/dns", nil).expect(t, 200)
	if v := decode[api.DNSConfig](t, a); v.Type != "platform" || v.BaseDomain != "localhost" || v.ZoneID != nil {
		t.Errorf("%s", a.body)
	}
	if got := w.zones(); len(got[ownZone]) != 1 || len(got[otherZone]) != 1 || second.Hostname != string(second.ID)+".vm.acme.example" {
		t.Errorf("zones %v, second %s", got, second.Hostname)
	}
	w.advance(dcm.LaunchDeadline + 1e9)
	w.sweepKeys()
	if n := strings.Count(string(w.dump()), `"dns#ac-`); n != 2 {
		t.Errorf("%d DNS accounts while two VMs need one each", n)
	}
	for _, vm := range []api.CreatedVM{own, shared, second} {
		user.force(vm.ID)
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
			t.Errorf("%s is %s: %+v", vm.Hostname, got.Status, got.Error)
		}
	}
	w.nothingLeft()
	w.advance(time.Hour)
	w.sweepKeys()
	if n := strings.Count(string(w.dump()), `"dns#ac-`); n != 0 {
		t.Errorf("%d DNS accounts that nobody needs", n)
	}
}

// TestRotationOfADNSToken: a new token for the same zone serves the records
// that the old one made.
func TestRotationOfADNSToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	vm := user.launch()
	w.AddCloudflareToken("acme-rotated-dns", cloudflare.Token{Zones: []string{ownZone}})
	body := w.dnsBody()
	body["apiToken"] = "acme-rotated-dns"
	user.call("POST", "/tenant/dns", body).expect(t, 201)
	w.RevokeCloudflareToken(ownDNSToken)
	user.force(vm.ID)
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
		t.Errorf("the VM is %s: %+v", got.Status, got.Error)
	}
	w.nothingLeft()
}

func TestZonesThatCantBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	w.AddCloudflareToken("acme-reads-dns", cloudflare.Token{Zones: []string{ownZone}, ReadOnly: true})
	user := w.user("acme")
	for name, c := range map[string]struct {
		field, value, blamed string
		code                 dcm.Code
	}{
		"token unknown":           {"apiToken", "nobody-knows", "apiToken", dcm.CodeProviderAuth},
		"token that only reads":   {"apiToken", "acme-reads-dns", "apiToken", dcm.CodeProviderAuth},
		"domain of another zone":  {"baseDomain", "acme.example", "baseDomain", dcm.CodeInvalid},
		"domain that looks alike": {"baseDomain", "notacme.test", "baseDomain", dcm.CodeInvalid},
		"zone of somebody else":   {"zoneId", "00000000000000000000000000000001", "apiToken", dcm.CodeProviderAuth},
		"zone that is not there":  {"zoneId", "00000000000000000000000000000099", "apiToken", dcm.CodeProviderAuth},
	} {
		body := w.dnsBody()
		body[c.field] = c.value
		a := user.call("POST", "/tenant/dns", body)
		if a.problem.Code != c.code || len(a.problem.Errors) != 1 || a.problem.Errors[0].Field != c.blamed {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if v := user.tenant(); v.DNSConfig.Type != "platform" {
		t.Errorf("%+v", v.DNSConfig)
	}
	w.nothingLeft()
}
