package api_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// What the tenants of these tests bring along.
const (
	ownToken    = "acme-hetzner-token-0123456789abcdef"
	ownDNSToken = "acme-cloudflare-token-0123456789"
	ownZone     = "acaacaacaacaacaacaacaacaacaacaac"
	ownDomain   = "dev.acme.test"
	ownKeyID    = "AKIAACMESTORAGE7Q2X"
	ownSecret   = "acme-storage-secret-0123456789"
	ownBucket   = "acme-backups"
)

// bringAlong makes, outside, all that acme may bring along.
func (w *world) bringAlong() {
	w.AddHetznerToken(ownToken, hetzner.Token{Project: "acme"})
	w.AddZone(ownZone, "acme.test")
	w.AddCloudflareToken(ownDNSToken, cloudflare.Token{Zones: []string{ownZone}})
	w.AddBucket(ownBucket, true, ownKeyID, dcm.NewSecret(ownSecret))
}

func (w *world) providerBody() map[string]any {
	return map[string]any{"type": "hetzner", "apiToken": ownToken, "region": "fsn1"}
}

func (w *world) dnsBody() map[string]any {
	return map[string]any{"type": "custom", "zoneId": ownZone, "apiToken": ownDNSToken, "baseDomain": ownDomain}
}

func (w *world) storageBody() map[string]any {
	return map[string]any{
		"type": "custom", "endpoint": w.Endpoint("s3"), "bucket": ownBucket, "region": "eu-central-1",
		"accessKeyId": ownKeyID, "secretAccessKey": ownSecret,
	}
}

func (c caller) tenant() api.Tenant {
	c.w.t.Helper()
	return decode[api.Tenant](c.w.t, c.call("GET", "/tenant", nil).expect(c.w.t, 200))
}

// log is what the functions have logged so far.
func (w *world) log() []byte {
	w.t.Helper()
	log, err := os.ReadFile(filepath.Join(w.Dir, "functions.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	return log
}

// keepsSecret checks that none of the secrets is in any of the answers, in a
// log line, or in clear in the table.
func (w *world) keepsSecret(secrets []string, answers ...answer) {
	w.t.Helper()
	table, log := w.dump(), w.log()
	for _, secret := range secrets {
		for _, a := range answers {
			if bytes.Contains(a.body, []byte(secret)) {
				w.t.Errorf("an answer shows a secret: %s", a.body)
			}
		}
		if bytes.Contains(table, []byte(secret)) {
			w.t.Errorf("the table holds %q in clear", secret)
		}
		if bytes.Contains(log, []byte(secret)) {
			w.t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTenantProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "7"})
	user := w.user("acme")

	t.Run("a tenant that has done nothing has the defaults", func(t *testing.T) {
		v := user.tenant()
		if v.ID != "acme" || v.CreatedAt != nil || v.Name != nil || v.AuthConfig != nil || len(v.CloudProviders) != 0 ||
			v.DNSConfig.Type != "platform" || v.DNSConfig.BaseDomain != "localhost" || v.StorageConfig.Type != "platform" ||
			v.Quotas.MaxConcurrentVMs != 7 || v.Quotas.MaxStorageGB != nil || v.Quotas.MaxMonthlySpend != nil || v.Usage.Spent != "0.00" {
			t.Errorf("%+v", v)
		}
		if len(w.Items()) != 0 {
			t.Error("reading wrote something")
		}
	})
	t.Run("it is one read", func(t *testing.T) {
		calls := w.callsDuring(func() { user.tenant() })
		if calls["dynamodb"]["Query"] > 1+sweepQueries || total(calls["dynamodb"])-calls["dynamodb"]["Query"] != 0 || total(calls["kms"]) != 0 {
			t.Errorf("calls %v", calls)
		}
	})
	t.Run("what a tenant may change", func(t *testing.T) {
		v := decode[api.Tenant](t, user.call("PUT", "/tenant", map[string]any{
			"name": "  ACME Ltd. – Straße ", "email": "ops@acme.example",
			"authConfig": map[string]any{"provider": "oidc", "issuer": "https://login.acme.example/realms/dev", "subject": "team"},
		}).expect(t, 200))
		if *v.Name != "ACME Ltd. – Straße" || *v.Email != "ops@acme.example" || v.AuthConfig.Provider != "oidc" || v.CreatedAt == nil || v.UpdatedAt == nil {
			t.Errorf("%+v", v)
		}
		v = decode[api.Tenant](t, user.call("PUT", "/tenant", map[string]any{"email": ""}).expect(t, 200))
		if *v.Name != "ACME Ltd. – Straße" || v.Email != nil || v.AuthConfig.Provider != "oidc" || v.Quotas.MaxConcurrentVMs != 7 {
			t.Errorf("after one field: %+v", v)
		}
		if other := w.user("other").tenant(); other.Name != nil {
			t.Errorf("another tenant's name is %s", *other.Name)
		}
	})
	t.Run("what it may not is named, with who changes it", func(t *testing.T) {
		before := w.dump()
		a := user.call("PUT", "/tenant", map[string]any{
			"id": "x", "quotas": map[string]any{}, "usage": nil, "createdAt": "2026-01-01T00:00:00Z",
			"cloudProviders": map[string]any{}, "dnsConfig": nil, "storageConfig": nil, "name": "y",
		}).expect(t, 400)
		how := map[string]string{}
		for _, f := range a.problem.Errors {
			how[f.Field] = f.Message
		}
		for field, route := range map[string]string{
			"id": "never", "quotas": "PUT /admin/tenants/{id}/quotas", "usage": "platform", "createdAt": "never",
			"cloudProviders": "POST /tenant/providers", "dnsConfig": "/tenant/dns", "storageConfig": "/tenant/storage",
		} {
			if !strings.Contains(how[field], route) {
				t.Errorf("%s: %q", field, how[field])
			}
		}
		if len(how) != 7 || withoutEvents(t, before) != withoutEvents(t, w.dump()) {
			t.Errorf("fields %v, or something changed", how)
		}
	})
}

// sweepQueries is how many queries a sweep may make meanwhile: its minute may
// come round at any time.
const sweepQueries = 3 * dcm.DueShards

func TestQuotasAreThePlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user, admin := w.user("acme"), w.user("platform", dcm.PermissionPlatformAdmin)
	const path = "/admin/tenants/acme/quotas"
	body := map[string]any{"maxConcurrentVMs": 1, "maxStorageGB": 5, "allowedProviders": []string{"hetzner"}, "maxMonthlySpend": "50.5"}

	t.Run("no tenant's token sets them", func(t *testing.T) {
		for _, p := range dcm.Permissions {
			if status := w.user("acme", p).call("PUT", path, body).status; (status == 200) != (p == dcm.PermissionPlatformAdmin) {
				t.Errorf("with %s: status %d", p, status)
			}
		}
		if status := w.user("acme").call("PUT", path, body).status; status != 403 {
			t.Errorf("with everything: status %d", status)
		}
		if status := admin.call("GET", "/tenant", nil).status; status != 403 {
			t.Errorf("platform:admin alone reads a tenant: status %d", status)
		}
	})
	t.Run("they hold", func(t *testing.T) {
		a := decode[api.TenantQuotas](t, admin.call("PUT", path, body).expect(t, 200))
		if a.ID != "acme" || a.Quotas.MaxConcurrentVMs != 1 || *a.Quotas.MaxStorageGB != 5 || *a.Quotas.MaxMonthlySpend != "50.50" {
			t.Errorf("%+v", a)
		}
		v := user.tenant()
		if v.Quotas.MaxConcurrentVMs != 1 || *v.Quotas.MaxStorageGB != 5 || v.Quotas.AllowedProviders[0] != "hetzner" {
			t.Errorf("%+v", v.Quotas)
		}
		user.launch()
		if a := user.call("POST", "/vms", w.launchBody()); a.problem.Code != dcm.CodeQuotaExceeded {
			t.Errorf("%d %s", a.status, a.body)
		}
		if g := user.tenant().Usage; g.ActiveVMs != 1 || g.Reserved == "0.00" || g.Month != dcm.MonthOf(time.Now()) {
			t.Errorf("usage %+v", g)
		}
	})
	t.Run("what is left out is no limit", func(t *testing.T) {
		a := decode[api.TenantQuotas](t, admin.call("PUT", path, map[string]any{"maxConcurrentVMs": 3}).expect(t, 200))
		if a.Quotas.MaxStorageGB != nil || a.Quotas.MaxMonthlySpend != nil || len(a.Quotas.AllowedProviders) != 0 || a.Usage.ActiveVMs != 1 {
			t.Errorf("%+v", a)
		}
		user.launch()
	})
	t.Run("a provider that is not allowed", func(t *testing.T) {
		admin.call("PUT", path, map[string]any{"maxConcurrentVMs": 9, "allowedProviders": []string{"ovh"}, "maxMonthlySpend": 0.5}).expect(t, 200)
		if a := user.call("POST", "/vms", w.launchBody()); a.status == 201 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if v := decode[api.TenantQuotas](t, admin.call("PUT", "/admin/tenants/new-one/quotas", map[string]any{"maxConcurrentVMs": 0}).expect(t, 200)); v.ID != "new-one" {
			t.Errorf("%+v", v)
		}
		if a := w.user("new-one").call("POST", "/vms", w.launchBody()); a.problem.Code != dcm.CodeQuotaExceeded {
			t.Errorf("a tenant that may hold no VM: %d %s", a.status, a.body)
		}
	})
}
