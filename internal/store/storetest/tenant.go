package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// tenant: what a tenant and the platform change of a profile, each leaves the
// rest as it is.
func tenant(t *testing.T, s *subject) {
	at := s.clock.Now()
	defaults := dcm.Quotas{MaxConcurrentVMs: Quota, MaxStorageGB: 5, AllowedProviders: []string{"hetzner", "ovh"}, MaxMonthlySpend: 7_000_000}
	want := dcm.Tenant{ID: acme, Name: "Acme", CreatedAt: at, UpdatedAt: at, Quotas: defaults}
	got, err := s.acme().PutTenant(t.Context(), dcm.TenantChange{Name: ptr("Acme"), At: at, DefaultQuotas: defaults})
	must(t, err)
	wantEqual(t, got, want)
	wantEqual(t, s.profile(t, acme), want)

	// The defaults of another day do not reach a profile that exists.
	want.Email, want.Auth = "a@example.com", dcm.AuthConfig{Provider: "oidc", Issuer: "https://issuer", Subject: "s"}
	want.UpdatedAt = at.Add(time.Hour)
	got, err = s.acme().PutTenant(t.Context(), dcm.TenantChange{
		Email: &want.Email, Auth: &want.Auth, At: want.UpdatedAt, DefaultQuotas: dcm.Quotas{MaxConcurrentVMs: 99},
	})
	must(t, err)
	wantEqual(t, got, want)

	want.Name = ""
	got, err = s.acme().PutTenant(t.Context(), dcm.TenantChange{Name: ptr(""), At: want.UpdatedAt})
	must(t, err)
	wantEqual(t, got, want)

	want.Quotas, want.UpdatedAt = dcm.Quotas{MaxConcurrentVMs: 1}, at.Add(2*time.Hour)
	got, err = s.acme().SetQuotas(t.Context(), want.Quotas, defaults, want.UpdatedAt)
	must(t, err)
	wantEqual(t, got, want)
	wantEqual(t, s.profile(t, acme), want)
	wantEqual(t, s.dueTenants(t), map[dcm.TenantID]time.Time{acme: want.UpdatedAt.Truncate(time.Second)})

	// A profile that anyone else began is complete as well.
	got, err = s.Tenant(other).SetQuotas(t.Context(), dcm.Quotas{MaxConcurrentVMs: 1, MaxMonthlySpend: 3}, defaults, at)
	must(t, err)
	wantEqual(t, got, dcm.Tenant{ID: other, CreatedAt: at, UpdatedAt: at, Quotas: dcm.Quotas{MaxConcurrentVMs: 1, MaxMonthlySpend: 3}})
	s.launch(t, other)
	wantCode(t, s.Tenant(other).CreateVM(t.Context(), s.intent(t, other)), dcm.CodeQuotaExceeded)
	s.launch(t, acme)
	wantCode(t, s.acme().CreateVM(t.Context(), s.intent(t, acme)), dcm.CodeQuotaExceeded)
}

func (s *subject) dueTenants(t *testing.T) map[dcm.TenantID]time.Time {
	t.Helper()
	all := map[dcm.TenantID]time.Time{}
	for shard := range dcm.DueShards {
		found, err := s.DueTenants(t.Context(), shard, s.clock.Now().Add(1000*time.Hour), 100)
		must(t, err)
		for _, d := range found {
			all[d.Tenant] = d.DueAt
		}
	}
	return all
}

// settle: a tenant leaves the index only at the time that it was seen at.
func settle(t *testing.T, s *subject) {
	at := s.clock.Now().Truncate(time.Second)
	wantIs(t, s.acme().SettleTenant(t.Context(), time.Time{}, at), dcm.ErrLostRace)
	wantEqual(t, len(s.dueTenants(t)), 0)

	_, err := s.acme().SetStorageAccount(t.Context(), nil, at)
	must(t, err)
	_, err = s.Tenant(other).SetStorageAccount(t.Context(), storageAccount("ac-1", at), at)
	must(t, err)
	wantEqual(t, s.dueTenants(t), map[dcm.TenantID]time.Time{acme: at, other: at})
	if found, err := s.DueTenants(t.Context(), 0, at.Add(-time.Second), 100); err != nil || len(found) > 0 {
		t.Fatalf("found %v, %v before anything was due", found, err)
	}

	later := at.Add(time.Hour)
	wantIs(t, s.acme().SettleTenant(t.Context(), later, time.Time{}), dcm.ErrLostRace)
	must(t, s.acme().SettleTenant(t.Context(), at, later))
	wantIs(t, s.acme().SettleTenant(t.Context(), at, time.Time{}), dcm.ErrLostRace)
	wantEqual(t, s.dueTenants(t), map[dcm.TenantID]time.Time{acme: later, other: at})
	must(t, s.acme().SettleTenant(t.Context(), later, time.Time{}))
	must(t, s.acme().SettleTenant(t.Context(), time.Time{}, at))
	must(t, s.acme().SettleTenant(t.Context(), at, time.Time{}))
	wantEqual(t, s.dueTenants(t), map[dcm.TenantID]time.Time{other: at})
}
