package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// change sets every field a change can, and clears every one it can.
func change(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	now := s.clock.Now().Add(time.Minute)
	later := now.Add(3 * time.Nanosecond)
	c := dcm.VMChange{
		From:   []dcm.Status{dcm.StatusCreating, dcm.StatusRunning},
		Status: ptr(dcm.StatusRunning), StopReason: ptr(dcm.StopIdle), Force: ptr(true),
		Error: &dcm.Problem{Code: dcm.ProblemBuildFailed, Message: "it didn't build: “ü”"},
		Phase: ptr(dcm.PhaseBuilding), Runtime: ptr("host"),
		Server: &dcm.ServerFacts{
			ProviderID: "4711", ServerType: "cx23", Region: "nbg1", IPv4: "203.0.113.7", IPv6: "2001:db8::1",
			Price: &dcm.Price{Hourly: "0.0096", Currency: "EUR"},
		},
		DNSRecordIDs: []string{"r1", "r2"},
		RunningAt:    &now, LastSeenAt: &later, StoppingAt: &now, DueAt: ptr(now.Truncate(time.Second)),
		IdleSince:    &later,
		Signals:      &dcm.Signals{Terminal: &now, HTTP: &later, SSH: &now, Files: &later, CPU: &now},
		AgentVersion: ptr("1.2.3"), Boot: &dcm.BootTrace{Machine: 41, Cloning: 7},
		Upload: &dcm.Upload{
			BackupID: "bk-aaaaaaaaaa", UploadID: "up", FromGeneration: 3, KeyVersion: 2, StartedAt: now,
			Expected: &dcm.UploadExpectation{SizeBytes: 1 << 40, SHA256: "ff"},
		},
	}
	want := vm
	want.Status, want.StopReason, want.Force, want.Error = *c.Status, *c.StopReason, true, c.Error
	want.Phase, want.Runtime, want.AgentVersion, want.Boot = *c.Phase, *c.Runtime, *c.AgentVersion, c.Boot
	want.ProviderID, want.ServerType, want.Region = "4711", "cx23", "nbg1"
	want.IPv4, want.IPv6, want.Price = c.Server.IPv4, c.Server.IPv6, c.Server.Price
	want.DNS.RecordIDs = c.DNSRecordIDs
	want.RunningAt, want.LastSeenAt, want.StoppingAt, want.DueAt = c.RunningAt, c.LastSeenAt, c.StoppingAt, *c.DueAt
	want.IdleSince, want.Signals, want.Upload = c.IdleSince, *c.Signals, c.Upload
	check := func(c dcm.VMChange) {
		t.Helper()
		got, err := s.acme().ChangeVM(t.Context(), vm.ID, c)
		must(t, err)
		wantEqual(t, got, want)
		wantEqual(t, s.vm(t, vm), want)
	}
	check(c)

	// What a provider leaves out is not forgotten.
	from := []dcm.Status{dcm.StatusRunning}
	want.IPv6 = "2001:db8::2"
	check(dcm.VMChange{From: from, Server: &dcm.ServerFacts{IPv6: want.IPv6}})

	want.Error, want.IdleSince, want.Upload, want.Force = nil, nil, nil, false
	want.Signals, want.DNS.RecordIDs, want.DueAt = dcm.Signals{CPU: &now}, nil, time.Time{}
	check(dcm.VMChange{
		From: from, ClearError: true, ClearIdle: true, ClearUpload: true, Force: ptr(false),
		Signals: &dcm.Signals{CPU: &now}, DNSRecordIDs: []string{}, DueAt: &time.Time{},
	})
	want.Signals = dcm.Signals{}
	check(dcm.VMChange{From: from, Signals: &dcm.Signals{}})
	check(dcm.VMChange{From: from})
}

// changeConditions: each condition holds or not by itself, and one that fails
// changes nothing and shows the VM as it is.
func changeConditions(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	try := func(name string, holds bool, c dcm.VMChange) {
		t.Helper()
		before := s.vm(t, vm)
		c.AgentVersion = ptr(name)
		if c.From == nil {
			c.From = dcm.Statuses
		}
		got, err := s.acme().ChangeVM(t.Context(), vm.ID, c)
		after := s.vm(t, vm)
		wantEqual(t, got, after)
		if holds {
			must(t, err)
			wantEqual(t, after.AgentVersion, name)
			return
		}
		wantIs(t, err, dcm.ErrLostRace)
		wantEqual(t, after, before)
	}
	due := vm.DueAt
	try("other status", false, dcm.VMChange{From: []dcm.Status{dcm.StatusRunning, dcm.StatusStopping}})
	try("its status", true, dcm.VMChange{From: []dcm.Status{dcm.StatusRunning, dcm.StatusCreating}})
	try("same due", true, dcm.VMChange{IfDueAt: &due})
	try("same due within the second", true, dcm.VMChange{IfDueAt: ptr(due.Add(time.Millisecond))})
	try("other due", false, dcm.VMChange{IfDueAt: ptr(due.Add(time.Second))})
	try("not due", false, dcm.VMChange{IfDueAt: &time.Time{}})
	try("never seen", false, dcm.VMChange{IfLastSeenAt: &due})
	_, err := s.acme().ChangeVM(t.Context(), vm.ID, dcm.VMChange{From: dcm.Statuses, LastSeenAt: ptr(due.Add(123456789))})
	must(t, err)
	try("seen then", true, dcm.VMChange{IfLastSeenAt: s.vm(t, vm).LastSeenAt})
	try("seen at another time", false, dcm.VMChange{IfLastSeenAt: &due})
	try("no provider id", false, dcm.VMChange{IfProviderID: true})
	try("no upload", true, dcm.VMChange{IfUpload: ptr(dcm.NoUpload)})
	try("an upload", false, dcm.VMChange{IfUpload: ptr(dcm.BackupID("bk-aaaaaaaaaa"))})

	_, err = s.acme().ChangeVM(t.Context(), vm.ID, dcm.VMChange{
		From: dcm.Statuses, DueAt: &time.Time{},
		Server: &dcm.ServerFacts{ProviderID: "1"}, Upload: &dcm.Upload{BackupID: "bk-aaaaaaaaaa", StartedAt: due},
	})
	must(t, err)
	try("left the index", true, dcm.VMChange{IfDueAt: &time.Time{}})
	try("was due", false, dcm.VMChange{IfDueAt: &due})
	try("provider id", true, dcm.VMChange{IfProviderID: true})
	try("not without upload", false, dcm.VMChange{IfUpload: ptr(dcm.NoUpload)})
	try("this upload", true, dcm.VMChange{IfUpload: ptr(dcm.BackupID("bk-aaaaaaaaaa"))})
	try("other upload", false, dcm.VMChange{IfUpload: ptr(dcm.BackupID("bk-bbbbbbbbbb"))})
	try("all at once", true, dcm.VMChange{
		From: []dcm.Status{dcm.StatusCreating}, IfDueAt: &time.Time{}, IfProviderID: true, IfUpload: ptr(dcm.BackupID("bk-aaaaaaaaaa")),
	})
	try("all but one", false, dcm.VMChange{
		From: []dcm.Status{dcm.StatusCreating}, IfDueAt: &due, IfProviderID: true, IfUpload: ptr(dcm.BackupID("bk-aaaaaaaaaa")),
	})
}

// changeRefused: a move that the table of moves lacks is never written.
func changeRefused(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	for _, c := range []dcm.VMChange{
		{},
		{Status: ptr(dcm.StatusRunning)},
		{From: []dcm.Status{dcm.StatusRunning}, Status: ptr(dcm.StatusCreating)},
		{From: []dcm.Status{dcm.StatusCreating, dcm.StatusStopping}, Status: ptr(dcm.StatusRunning)},
		{From: []dcm.Status{dcm.StatusStopped}, Status: ptr(dcm.StatusStopping)},
		{From: []dcm.Status{dcm.StatusStopping}, Status: ptr(dcm.StatusStopped)},
	} {
		if _, err := s.acme().ChangeVM(t.Context(), vm.ID, c); err == nil {
			t.Fatalf("accepted %+v", c)
		}
	}
	wantEqual(t, s.vm(t, vm), vm)
	_, err := s.acme().ChangeVM(t.Context(), mustVMID(t), dcm.VMChange{From: dcm.Statuses, Force: ptr(true)})
	wantCode(t, err, dcm.CodeNotFound)
}

func bootstrap(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now().Add(time.Second)
	want := vm
	want.BoundKey, want.BootstrappedAt = "key A", &at
	bind := func(publicKey string, at time.Time) (dcm.VM, error) {
		return s.acme().BindBootstrap(t.Context(), vm.ID, publicKey, at)
	}
	got, err := bind("key A", at)
	must(t, err)
	wantEqual(t, got, want)

	got, err = bind("key A", at.Add(time.Hour))
	must(t, err)
	wantEqual(t, got, want)

	got, err = bind("key B", at)
	wantIs(t, err, dcm.ErrForeignKey)
	wantEqual(t, got, want)
	if _, err := bind("", at); err == nil {
		t.Fatal("no key was bound")
	}

	want.Status = dcm.StatusRunning
	running := s.run(t, vm)
	got, err = bind("key A", at)
	must(t, err)
	wantEqual(t, got, want)

	want.Status = dcm.StatusStopping
	s.stop(t, running)
	got, err = bind("key A", at)
	wantIs(t, err, dcm.ErrLostRace)
	wantEqual(t, got, want)
	_, err = bind("key B", at)
	wantIs(t, err, dcm.ErrForeignKey)

	_, err = s.acme().BindBootstrap(t.Context(), mustVMID(t), "key A", at)
	wantCode(t, err, dcm.CodeNotFound)
}
