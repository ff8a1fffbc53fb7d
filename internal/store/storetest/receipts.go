package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// receipt: what a release leaves when it is put off, the next one finds; and the
// one that ends the VM leaves all of it, and counts what the receipt says, once.
func receipt(t *testing.T, s *subject) {
	vm := s.stop(t, s.launch(t, acme))
	if vm.Receipt != nil {
		t.Fatalf("nothing was asked yet, and the receipt says %+v", vm.Receipt)
	}
	asked, gone := s.clock.Now(), s.clock.Now().Add(time.Hour)
	note := dcm.Receipt{ServerID: "srv-1", AskedAt: asked, DNSRecordIDs: []string{"rec-1"}}
	vm, err := s.acme().ChangeVM(t.Context(), vm.ID, dcm.VMChange{From: []dcm.Status{dcm.StatusStopping}, Receipt: &note})
	must(t, err)
	wantEqual(t, vm.Receipt, &note)

	f := s.finishOf(vm,
		dcm.Usage{Month: "2026-11", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 1800, BilledHours: 1, Cost: 9600},
		dcm.Usage{Month: "2026-12", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 1800, Cost: 1})
	f.At = gone
	f.Receipt.ServerID, f.Receipt.AskedAt, f.Receipt.ConfirmedAt = "srv-1", asked, gone
	f.Receipt.DNSRecordIDs = []string{"rec-1", "rec-2"}
	must(t, s.acme().FinishVM(t.Context(), f))
	again := f
	again.Receipt.ServerID, again.Receipt.Usage = "srv-2", f.Receipt.Usage[:1]
	wantIs(t, s.acme().FinishVM(t.Context(), again), dcm.ErrLostRace)

	ended := s.vm(t, vm)
	wantEqual(t, ended.Receipt, &f.Receipt)
	page, err := s.acme().VMs(t.Context(), dcm.VMQuery{})
	must(t, err)
	wantEqual(t, page.Items, []dcm.VM{ended})
	nov, dec := s.usage(t, "2026-11"), s.usage(t, "2026-12")
	wantEqual(t, nov.Cost+dec.Cost, dcm.Micros(9601))
	wantEqual(t, nov.VMs[0].VMSeconds+dec.VMs[0].VMSeconds, 3600)

	// An abandoned VM's server is never confirmed gone.
	vm = s.stop(t, s.launch(t, acme))
	f = s.finishOf(vm)
	f.Receipt.ServerID, f.Receipt.AskedAt = "srv-3", asked
	must(t, s.acme().FinishVM(t.Context(), f))
	wantEqual(t, s.vm(t, vm).Receipt, &f.Receipt)
}

func (s *subject) settleOrphan(t *testing.T, o dcm.Orphan, minutes int) error {
	t.Helper()
	gone := s.clock.Now()
	o.ConfirmedAt, o.Minutes = &gone, minutes
	return s.Tenant(o.Tenant).SettleOrphan(t.Context(), o)
}

// orphanMinutes: a server's minutes are its VM's too, if the VM is over and still
// known. Those of nothing else are.
func orphanMinutes(t *testing.T, s *subject) {
	live, ended, theirs := s.launch(t, acme), s.launch(t, acme), s.launch(t, other)
	s.end(t, ended)
	s.end(t, theirs)
	of := func(vm dcm.VM, kind dcm.OrphanKind, id string) dcm.Orphan {
		o := orphan(s, kind, id, time.Hour)
		o.VM = vm.ID
		must(t, s.acme().NoteOrphan(t.Context(), o))
		return o
	}
	never := dcm.VM{ID: mustVMID(t)}
	for n, o := range []dcm.Orphan{
		of(live, dcm.OrphanServer, "1"), of(never, dcm.OrphanServer, "2"), of(theirs, dcm.OrphanServer, "3"),
		of(dcm.VM{}, dcm.OrphanServer, "4"), of(ended, dcm.OrphanDNSRecord, "5"), of(ended, dcm.OrphanUpload, "6"),
	} {
		must(t, s.settleOrphan(t, o, n+1))
	}
	wantEqual(t, s.vm(t, live), live)
	wantEqual(t, s.vm(t, ended).OrphanMinutes+s.vm(t, theirs).OrphanMinutes, 0)
	_, err := s.acme().VM(t.Context(), never.ID)
	wantCode(t, err, dcm.CodeNotFound)

	first, second := of(ended, dcm.OrphanServer, "7"), of(ended, dcm.OrphanServer, "8")
	before := s.vm(t, ended)
	unnoted := first
	unnoted.ExternalID = "9"
	wantCode(t, s.settleOrphan(t, unnoted, 1), dcm.CodeNotFound)
	must(t, s.settleOrphan(t, first, 7))
	wantIs(t, s.settleOrphan(t, first, 100), dcm.ErrLostRace)
	must(t, s.settleOrphan(t, second, 8))
	before.OrphanMinutes = 15
	wantEqual(t, s.vm(t, ended), before)
	wantEqual(t, len(s.dueOrphans(t)), 0)
}

// raceToSettle: however many find out at once that a server is gone, its minutes
// count once.
func raceToSettle(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	s.end(t, vm)
	o := orphan(s, dcm.OrphanServer, "1", time.Hour)
	o.VM = vm.ID
	for _, err := range race(20, func(int) error { return s.acme().NoteOrphan(t.Context(), o) }) {
		must(t, err)
	}
	errs := race(20, func(n int) error { return s.settleOrphan(t, o, 30) })
	wantEqual(t, winners(t, errs, lost), 1)
	wantEqual(t, s.vm(t, vm).OrphanMinutes, 30)
	page, err := s.acme().Orphans(t.Context(), dcm.OrphanQuery{})
	must(t, err)
	wantEqual(t, len(page.Items), 1)
	wantEqual(t, page.Items[0].Minutes, 30)
}
