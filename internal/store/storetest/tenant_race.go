package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func overQuota(err error) bool { return dcm.ErrorCode(err) == dcm.CodeQuotaExceeded }

// raceForMoney: 200 launches at once, of which the slots allow 10 and the money
// 7, in the last moment of a month and then in the first of the next.
func raceForMoney(t *testing.T, s *subject) {
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 7_900_000})
	intents := make([]dcm.Intent, 200)
	launch := func() int {
		for n := range intents {
			intents[n] = s.spendIntent(t, 1_000_000)
		}
		errs := race(len(intents), func(n int) error { return s.acme().CreateVM(t.Context(), intents[n]) })
		return winners(t, errs, overQuota)
	}
	wantEqual(t, launch(), 7)
	s.wantSpend(t, "2026-11", 0, 7_000_000)
	all, _ := s.pages(t, acme, dcm.VMQuery{Limit: 100})
	wantEqual(t, len(all), 7)

	for _, vm := range all[:3] {
		s.settle(t, vm, dcm.Usage{Month: "2026-11", Cost: 900_000})
	}
	s.clock.Advance(7 * 24 * time.Hour)
	wantEqual(t, launch(), 3)
	s.wantSpend(t, "2026-12", 0, 7_000_000)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 7)
}

// raceAtMonthsEnd: releases and launches on both sides of midnight, at once.
func raceAtMonthsEnd(t *testing.T, s *subject) {
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 50})
	const n = 16
	vms := make([]dcm.VM, n)
	for i := range vms {
		in := s.spendIntent(t, 100)
		must(t, s.acme().CreateVM(t.Context(), in))
		vms[i] = s.stop(t, in.VM)
	}
	midnight := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	launches := make([]dcm.Intent, n)
	for i := range launches {
		launches[i] = s.spendIntent(t, 1000)
		launches[i].VM.CreatedAt = midnight.Add(time.Duration(i%2*2-1) * time.Second)
	}
	errs := race(2*n, func(i int) error {
		if i >= n {
			return s.acme().CreateVM(t.Context(), launches[i-n])
		}
		f := s.finishOf(vms[i], dcm.Usage{Month: "2026-11", Cost: 10})
		f.At = midnight.Add(-time.Second)
		if i%2 == 1 {
			f.At = midnight.Add(time.Second)
			f.Receipt.Usage = append(f.Receipt.Usage, dcm.Usage{Month: "2026-12", Cost: 1})
		}
		return s.acme().FinishVM(t.Context(), f)
	})
	wantEqual(t, winners(t, errs, func(error) bool { return false }), 2*n)
	got := s.profile(t, acme)
	wantEqual(t, got.ActiveVMs, n)
	wantEqual(t, got.Spend, dcm.Spend{Month: "2026-12", Spent: n / 2, Reserved: 1000 * n})
	november, december := s.usage(t, "2026-11"), s.usage(t, "2026-12")
	wantEqual(t, november.Cost, 10*n)
	wantEqual(t, december.Cost, n/2)
	started := int64(0)
	for _, u := range november.VMs {
		started += u.VMsStarted
	}
	wantEqual(t, started, n+n/2)
}

// raceToRemoveAccount: an account goes, or VMs come to depend on it, never
// both.
func raceToRemoveAccount(t *testing.T, s *subject) {
	for round := range 6 {
		id := dcm.AccountID("ac-" + string(rune('a'+round)))
		must(t, s.acme().PutProviderAccount(t.Context(), providerAccount(id, "hetzner", s.clock.Now()), ""))
		launches := make([]dcm.Intent, 2)
		for n := range launches {
			launches[n] = s.intent(t, acme)
			launches[n].VM.AccountID = id
		}
		errs := race(3, func(n int) error {
			if n == 2 {
				return s.acme().RemoveProviderAccount(t.Context(), "hetzner")
			}
			return s.acme().CreateVM(t.Context(), launches[n])
		})
		winners(t, errs, lost)
		known, err := s.acme().Accounts(t.Context())
		must(t, err)
		a, there := known.Providers["hetzner"]
		removed := errs[2] == nil
		launched := winners(t, errs[:2], lost)
		if there == removed || removed && launched > 0 || !removed && (launched == 0 || a.ActiveVMs != launched) {
			t.Fatalf("account there %t with %d VMs, removal %v, %d launches", there, a.ActiveVMs, errs[2], launched)
		}
		for n, i := range launches {
			if errs[n] == nil {
				s.settle(t, i.VM)
			}
		}
		if there {
			must(t, s.acme().RemoveProviderAccount(t.Context(), "hetzner"))
		}
	}
}

// raceToDelete: a workspace is to be deleted or gets a VM, never both.
func raceToDelete(t *testing.T, s *subject) {
	vm, _ := s.saved(t)
	for range 6 {
		i := s.resumption(t, vm)
		errs := race(2, func(n int) error {
			if n == 0 {
				return s.acme().CreateVM(t.Context(), i)
			}
			_, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{
				IfFree: true, Task: &dcm.WorkspaceTask{Kind: dcm.TaskDelete, Since: s.clock.Now()},
			})
			return err
		})
		wantEqual(t, winners(t, errs, func(err error) bool { return lost(err) || dcm.ErrorCode(err) == dcm.CodeConflict }), 1)
		if errs[0] == nil {
			wantIs(t, s.acme().DropWorkspace(t.Context(), vm.WorkspaceID, s.clock.Now()), dcm.ErrLostRace)
			s.end(t, i.VM)
		}
		_, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{ClearTask: true})
		must(t, err)
	}
	s.task(t, vm, dcm.TaskDelete)
	errs := race(8, func(int) error { return s.acme().DropWorkspace(t.Context(), vm.WorkspaceID, s.clock.Now()) })
	wantEqual(t, winners(t, errs, func(err error) bool { return lost(err) || dcm.ErrorCode(err) == dcm.CodeNotFound }), 1)
	wantEqual(t, s.profile(t, acme).StorageBytes, 0)
}

// raceToReplace: a VM starts from the backup that its workspace has, whichever
// of the two came first.
func raceToReplace(t *testing.T, s *subject) {
	vm, _ := s.saved(t)
	s.task(t, vm, dcm.TaskRotate)
	for range 6 {
		i := s.resumption(t, vm)
		from := *i.Workspace.Backup
		to := from
		to.VersionID, to.SizeBytes = from.VersionID+"x", from.SizeBytes+1
		errs := race(4, func(n int) error {
			if n == 0 {
				return s.acme().CreateVM(t.Context(), i)
			}
			return s.acme().ReplaceBackup(t.Context(), vm.WorkspaceID, from, to)
		})
		wantEqual(t, winners(t, errs, lost), 1)
		ws := s.workspace(t, vm)
		wantEqual(t, ws.ActiveVM == i.VM.ID, errs[0] == nil)
		wantEqual(t, s.profile(t, acme).StorageBytes, ws.Backup.SizeBytes)
		if errs[0] == nil {
			wantEqual(t, s.vm(t, i.VM).Restore, ws.Backup)
			s.end(t, i.VM)
		}
	}
}

// raceToSetQuotas: however limits and launches mix, the room that is left is
// what the last limit leaves.
func raceToSetQuotas(t *testing.T, s *subject) {
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 100, MaxMonthlySpend: 1000})
	launches := make([]dcm.Intent, 12)
	for n := range launches {
		launches[n] = s.spendIntent(t, 10)
	}
	errs := race(18, func(n int) error {
		if n < len(launches) {
			return s.acme().CreateVM(t.Context(), launches[n])
		}
		q := dcm.Quotas{MaxConcurrentVMs: 100, MaxMonthlySpend: dcm.Micros(1000 + n)}
		_, err := s.acme().SetQuotas(t.Context(), q, dcm.Quotas{}, s.clock.Now())
		return err
	})
	wantEqual(t, winners(t, errs, func(error) bool { return false }), 18)
	got := s.profile(t, acme)
	left := got.Quotas.MaxMonthlySpend - got.Spend.Reserved
	wantEqual(t, got.Spend.Reserved, 120)
	s.refused(t, s.spendIntent(t, left+1))
	must(t, s.acme().CreateVM(t.Context(), s.spendIntent(t, left)))
}
