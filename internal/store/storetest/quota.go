package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// refused wants the quota to say all of the parts.
func (s *subject) refused(t *testing.T, i dcm.Intent, parts ...string) {
	t.Helper()
	e := wantCode(t, s.Tenant(i.VM.TenantID).CreateVM(t.Context(), i), dcm.CodeQuotaExceeded)
	for _, part := range parts {
		if !strings.Contains(e.Message, part) {
			t.Fatalf("message %q does not say %q", e.Message, part)
		}
	}
}

func (s *subject) setQuotas(t *testing.T, q dcm.Quotas) {
	t.Helper()
	_, err := s.acme().SetQuotas(t.Context(), q, dcm.Quotas{}, s.clock.Now())
	must(t, err)
}

func allowedProviders(t *testing.T, s *subject) {
	i := s.intent(t, acme)
	i.DefaultQuotas.AllowedProviders = []string{"scaleway", "ovh"}
	s.refused(t, i, "at hetzner", "ovh, scaleway")
	i.VM.Provider = "ovh"
	must(t, s.acme().CreateVM(t.Context(), i))
	s.refused(t, s.intent(t, acme), "at hetzner", "ovh, scaleway")
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: Quota, AllowedProviders: []string{"hetzner"}})
	s.launch(t, acme)
	i = s.intent(t, acme)
	i.VM.Provider = "ovh"
	s.refused(t, i, "at ovh", "are hetzner")
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: Quota})
	s.launch(t, acme)
}

// storageQuota stops new VMs, and never a backup.
func storageQuota(t *testing.T, s *subject) {
	i := s.intent(t, acme)
	i.DefaultQuotas.MaxStorageGB = 3
	must(t, s.acme().CreateVM(t.Context(), i))
	save := func(generation, size int64) {
		t.Helper()
		b := backup(t, i.VM, generation, s.clock.Now())
		b.SizeBytes = size
		must(t, s.acme().AdvanceGeneration(t.Context(), i.VM.ID, i.VM.WorkspaceID, b))
		wantEqual(t, s.profile(t, acme).StorageBytes, size)
	}
	save(1, 2_999_999_999)
	s.launch(t, acme)
	save(2, 3_000_000_000)
	s.refused(t, s.intent(t, acme), "limit of 3 GB", "3.0 GB are in use", "newest backup of every workspace")
	save(3, 9_123_456_789)
	s.refused(t, s.intent(t, acme), "limit of 3 GB", "9.2 GB are in use")
	save(4, 1_000_000_000)
	s.launch(t, acme)
}

// spendIntent is a launch that may cost this much.
func (s *subject) spendIntent(t *testing.T, worst dcm.Micros) dcm.Intent {
	t.Helper()
	i := s.intent(t, acme)
	i.VM.Reserved = worst
	return i
}

func (s *subject) wantSpend(t *testing.T, month dcm.Month, spent, reserved dcm.Micros) {
	t.Helper()
	wantEqual(t, s.profile(t, acme).Spend, dcm.Spend{Month: month, Spent: spent, Reserved: reserved})
}

// spendQuota: the most that VMs can cost is reserved, what they did cost is
// spent, and neither is ever over the limit.
func spendQuota(t *testing.T, s *subject) {
	const nov dcm.Month = "2026-11"
	limits := dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 10_000_000}
	first := s.spendIntent(t, 10_000_001)
	first.DefaultQuotas = limits
	s.refused(t, first, "limit of 10.00 a month", "up to 10.000001", "0.00 are spent", "0.00 are reserved", "count")
	first.VM.Reserved = 6_000_000
	must(t, s.acme().CreateVM(t.Context(), first))
	s.wantSpend(t, nov, 0, 6_000_000)
	s.refused(t, s.spendIntent(t, 4_000_001), "up to 4.000001", "0.00 are spent", "6.00 are reserved")
	second := s.spendIntent(t, 4_000_000)
	must(t, s.acme().CreateVM(t.Context(), second))
	s.refused(t, s.spendIntent(t, 1))
	s.launch(t, acme) // costs nothing

	s.settle(t, first.VM, dcm.Usage{Month: nov, Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 3600, BilledHours: 1, Cost: 2_500_000})
	s.wantSpend(t, nov, 2_500_000, 4_000_000)
	s.refused(t, s.spendIntent(t, 3_500_001), "2.50 are spent", "4.00 are reserved")
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, 3_500_000)))
	s.wantSpend(t, nov, 2_500_000, 7_500_000)

	// Another limit counts with what was spent and reserved under the old one.
	limits.MaxMonthlySpend = 12_000_000
	s.setQuotas(t, limits)
	s.refused(t, s.spendIntent(t, 2_000_001), "limit of 12.00")
	limits.MaxMonthlySpend = 0
	s.setQuotas(t, limits)
	free := s.spendIntent(t, 50_000_000)
	must(t, s.acme().CreateVM(t.Context(), free))
	s.settle(t, free.VM, dcm.Usage{Month: nov, Cost: 1_000_000})
	limits.MaxMonthlySpend = 11_500_000
	s.setQuotas(t, limits)
	s.wantSpend(t, nov, 3_500_000, 7_500_000)
	s.refused(t, s.spendIntent(t, 500_001))
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, 500_000)))
}

// spendAcrossMonths: a new month begins with nothing spent, whoever comes first
// in it, and what runs on stays reserved.
func spendAcrossMonths(t *testing.T, s *subject) {
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 10_000_000})
	vms := make([]dcm.VM, 4)
	for n := range vms {
		i := s.spendIntent(t, 2_000_000)
		must(t, s.acme().CreateVM(t.Context(), i))
		vms[n] = i.VM
	}
	cost := func(nov, dec, jan dcm.Micros) []dcm.Usage {
		return []dcm.Usage{{Month: "2026-11", Cost: nov}, {Month: "2026-12", Cost: dec}, {Month: "2027-01", Cost: jan}}
	}
	s.settle(t, vms[0], cost(1_500_000, 0, 0)...)
	s.wantSpend(t, "2026-11", 1_500_000, 6_000_000)

	// A release opens December.
	s.clock.Advance(10 * 24 * time.Hour)
	s.settle(t, vms[1], cost(700_000, 300_000, 0)...)
	s.wantSpend(t, "2026-12", 300_000, 4_000_000)
	s.refused(t, s.spendIntent(t, 5_700_001), "0.30 are spent", "4.00 are reserved")
	// A late release of November changes only what is reserved.
	late := s.stop(t, vms[2])
	f := s.finishOf(late, cost(900_000, 0, 0)...)
	f.At = s.clock.Now().Add(-10 * 24 * time.Hour)
	must(t, s.acme().FinishVM(t.Context(), f))
	s.wantSpend(t, "2026-12", 300_000, 2_000_000)
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, 7_700_000)))

	// A launch opens January.
	s.clock.Advance(31 * 24 * time.Hour)
	s.refused(t, s.spendIntent(t, 300_001), "0.00 are spent", "9.70 are reserved")
	s.wantSpend(t, "2026-12", 300_000, 9_700_000)
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, 300_000)))
	s.wantSpend(t, "2027-01", 0, 10_000_000)
	// One by a clock that is behind books in the month that is open.
	s.clock.Advance(-31 * 24 * time.Hour)
	s.refused(t, s.spendIntent(t, 1), "10.00 are reserved")
	s.settle(t, vms[3], cost(1, 2, 4)...)
	s.wantSpend(t, "2027-01", 4, 8_000_000)

	for month, want := range map[dcm.Month]dcm.Micros{"2026-11": 3_100_001, "2026-12": 300_002, "2027-01": 4} {
		used, err := s.acme().Usage(t.Context(), month)
		must(t, err)
		wantEqual(t, used.Cost, want)
	}
}

// overReleased: books that know of less reserved than a VM says never go below
// nothing.
func overReleased(t *testing.T, s *subject) {
	small, large := s.spendIntent(t, 5), s.spendIntent(t, 7)
	must(t, s.acme().CreateVM(t.Context(), small))
	must(t, s.acme().CreateVM(t.Context(), large))
	s.stop(t, small.VM)
	f := s.finishOf(small.VM)
	f.Reserved = 100
	must(t, s.acme().FinishVM(t.Context(), f))
	s.wantSpend(t, "2026-11", 0, 0)
	s.settle(t, large.VM)
	s.wantSpend(t, "2026-11", 0, 0)
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 3, MaxMonthlySpend: 10})
	s.refused(t, s.spendIntent(t, 11))
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, 10)))
}
