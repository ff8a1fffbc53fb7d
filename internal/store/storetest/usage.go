package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func (s *subject) usage(t *testing.T, m dcm.Month) dcm.MonthlyUsage {
	t.Helper()
	used, err := s.acme().Usage(t.Context(), m)
	must(t, err)
	return used
}

func usage(t *testing.T, s *subject) {
	wantEqual(t, s.usage(t, "2026-11"), dcm.MonthlyUsage{Month: "2026-11"})

	small := s.launch(t, acme)
	large := s.intent(t, acme)
	large.VM.Size, large.VM.Provider = dcm.SizeLarge, "digitalocean"
	must(t, s.acme().CreateVM(t.Context(), large))
	s.settle(t, s.launch(t, acme)) // used nothing
	s.settle(t, small,
		dcm.Usage{Month: "2026-11", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 100, BilledHours: 1, Cost: 9},
		dcm.Usage{Month: "2026-12", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 50, BilledHours: 2, Cost: 18},
	)
	s.settle(t, large.VM,
		dcm.Usage{Month: "2026-11", Provider: "digitalocean", Size: dcm.SizeLarge, VMSeconds: 7, BilledHours: 1, Cost: 1 << 40})
	wantEqual(t, s.usage(t, "2026-11"), dcm.MonthlyUsage{
		Month: "2026-11", Cost: 1<<40 + 9,
		VMs: []dcm.Usage{
			{Month: "2026-11", Provider: "digitalocean", Size: dcm.SizeLarge, VMsStarted: 1, VMSeconds: 7, BilledHours: 1, Cost: 1 << 40},
			{Month: "2026-11", Provider: "hetzner", Size: dcm.SizeSmall, VMsStarted: 2, VMSeconds: 100, BilledHours: 1, Cost: 9},
		},
	})
	wantEqual(t, s.usage(t, "2026-12"), dcm.MonthlyUsage{
		Month: "2026-12", Cost: 18,
		VMs: []dcm.Usage{{Month: "2026-12", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 50, BilledHours: 2, Cost: 18}},
	})
	wantEqual(t, s.usage(t, "2026-10"), dcm.MonthlyUsage{Month: "2026-10"})

	// Whoever ends a VM twice counts it once.
	f := s.finishOf(small, dcm.Usage{Month: "2026-11", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 100})
	wantIs(t, s.acme().FinishVM(t.Context(), f), dcm.ErrLostRace)
	wantEqual(t, s.usage(t, "2026-11").VMs[1].VMSeconds, 100)

	for _, bad := range []dcm.Month{"", "2026", "2026-13", "2026-11#", "~"} {
		_, err := s.acme().Usage(t.Context(), bad)
		wantCode(t, err, dcm.CodeInvalid)
	}
}

// storedUsage: what is stored counts by the second, from the moment that it is
// until it is gone, in every month that it stays.
func storedUsage(t *testing.T, s *subject) {
	// What a reader would add up: bytes times seconds, split where months end.
	want := map[dcm.Month]dcm.ByteSeconds{}
	since, bytes := s.clock.Now().Truncate(time.Second), int64(0)
	check := func() {
		t.Helper()
		until := s.clock.Now().Truncate(time.Second)
		for _, u := range dcm.SplitStorage(bytes, since, until) {
			want[u.Month] = want[u.Month].Plus(u.ByteSeconds)
		}
		since = until
		for _, m := range []dcm.Month{"2026-10", "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04"} {
			wantEqual(t, s.usage(t, m).Storage, want[m])
		}
	}
	pass := func(d time.Duration) {
		t.Helper()
		s.clock.Advance(d)
		check()
	}
	save := func(vm dcm.VM, generation, size, change int64) dcm.Backup {
		t.Helper()
		b := backup(t, vm, generation, s.clock.Now())
		b.SizeBytes = size
		must(t, s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, b))
		bytes += change
		wantEqual(t, s.profile(t, acme).StorageBytes, bytes)
		check()
		return b
	}
	first, second := s.launch(t, acme), s.launch(t, acme)
	pass(time.Hour)
	save(first, 1, 100, 100)
	pass(90 * time.Minute)
	save(second, 1, 7, 7)
	save(second, 2, 7, 0)
	pass(17 * time.Second)
	old := save(first, 2, 60, -40)
	pass(8 * 24 * time.Hour) // into December
	s.end(t, first)
	copied := old
	copied.Key, copied.SizeBytes, copied.StorageID = "elsewhere", 80, dcm.PlatformAccount
	s.task(t, first, dcm.TaskRotate)
	must(t, s.acme().ReplaceBackup(t.Context(), first.WorkspaceID, old, copied))
	bytes += 20
	check()
	pass(70 * 24 * time.Hour) // over January, in which nothing changes, into February
	s.task(t, first, dcm.TaskDelete)
	must(t, s.acme().DropWorkspace(t.Context(), first.WorkspaceID, s.clock.Now()))
	bytes -= 80
	check()
	pass(3 * 24 * time.Hour)
	// A petabyte for a month is more than 64 bits hold.
	const petabyte = 1_000_000_000_000_000
	save(second, 3, petabyte, petabyte-7)
	pass(40 * 24 * time.Hour)
	save(second, 4, 7, 7-petabyte)
	pass(time.Hour)
	wantEqual(t, s.profile(t, acme).StorageBytes, 7)
}
