package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func launchContext(t *testing.T, s *subject) {
	known, err := s.acme().LaunchContext(t.Context(), "", "unused")
	must(t, err)
	wantEqual(t, known, dcm.LaunchContext{Accounts: dcm.TenantAccounts{Tenant: dcm.Tenant{ID: acme, Quotas: dcm.Quotas{MaxConcurrentVMs: Quota}}}})

	i := s.intent(t, acme)
	i.Idempotency = &dcm.Idempotency{Key: "k/1#x", BodyHash: "hash", VM: i.VM.ID, ExpiresAt: s.clock.Now().Add(dcm.IdempotencyTTL)}
	must(t, s.acme().CreateVM(t.Context(), i))

	known, err = s.acme().LaunchContext(t.Context(), i.VM.WorkspaceID, "k/1#x")
	must(t, err)
	wantEqual(t, known, dcm.LaunchContext{
		Accounts: dcm.TenantAccounts{Tenant: dcm.Tenant{
			ID: acme, CreatedAt: i.VM.CreatedAt, Quotas: i.DefaultQuotas, ActiveVMs: 1,
			Spend: dcm.Spend{Month: "2026-11"},
		}},
		Workspace: &i.Workspace,
		Earlier:   i.Idempotency,
	})

	_, err = s.acme().LaunchContext(t.Context(), mustWorkspaceID(t), "")
	wantCode(t, err, dcm.CodeNotFound)
	_, err = s.acme().LaunchContext(t.Context(), "not an id", "")
	wantCode(t, err, dcm.CodeNotFound)
}

func create(t *testing.T, s *subject) {
	i := s.intent(t, acme)
	must(t, s.acme().CreateVM(t.Context(), i))

	wantEqual(t, s.vm(t, i.VM), i.VM)
	wantEqual(t, s.workspace(t, i.VM), i.Workspace)
	wantEqual(t, s.profile(t, acme), dcm.Tenant{
		ID: acme, CreatedAt: i.VM.CreatedAt, Quotas: dcm.Quotas{MaxConcurrentVMs: Quota}, ActiveVMs: 1, Spend: dcm.Spend{Month: "2026-11"},
	})

	s.clock.Advance(time.Hour)
	s.launch(t, acme)
	wantEqual(t, s.profile(t, acme), dcm.Tenant{
		ID: acme, CreatedAt: i.VM.CreatedAt, Quotas: dcm.Quotas{MaxConcurrentVMs: Quota}, ActiveVMs: 2, Spend: dcm.Spend{Month: "2026-11"},
	})
}

// createRefused: whatever is refused has written nothing at all.
func createRefused(t *testing.T, s *subject) {
	first := s.launch(t, acme)

	cases := map[string]func(i *dcm.Intent){
		"of another tenant":            func(i *dcm.Intent) { i.VM.TenantID = other },
		"workspace of another tenant":  func(i *dcm.Intent) { i.Workspace.TenantID = other },
		"of another workspace":         func(i *dcm.Intent) { i.VM.WorkspaceID = first.WorkspaceID },
		"workspace held by another":    func(i *dcm.Intent) { i.Workspace.ActiveVM = first.ID },
		"already running":              func(i *dcm.Intent) { i.VM.Status = dcm.StatusRunning },
		"without an id":                func(i *dcm.Intent) { i.VM.ID = "" },
		"with a VM's id that is taken": func(i *dcm.Intent) { i.VM.ID, i.Workspace.ActiveVM = first.ID, first.ID },
		"with a workspace id in use":   func(i *dcm.Intent) { i.VM.WorkspaceID, i.Workspace.ID = first.WorkspaceID, first.WorkspaceID },
		"in a workspace that is gone":  func(i *dcm.Intent) { i.NewWorkspace = false },
		"in a workspace that is in use": func(i *dcm.Intent) {
			i.VM.WorkspaceID, i.Workspace.ID, i.NewWorkspace = first.WorkspaceID, first.WorkspaceID, false
		},
	}
	for name, spoil := range cases {
		i := s.intent(t, acme)
		good := i
		i.Idempotency = &dcm.Idempotency{Key: "k", VM: i.VM.ID, ExpiresAt: s.clock.Now().Add(time.Hour)}
		spoil(&i)
		if err := s.acme().CreateVM(t.Context(), i); err == nil {
			t.Fatalf("%s: was accepted", name)
		}
		_, err := s.acme().VM(t.Context(), good.VM.ID)
		wantCode(t, err, dcm.CodeNotFound)
		_, err = s.acme().Workspace(t.Context(), good.VM.WorkspaceID)
		wantCode(t, err, dcm.CodeNotFound)
		known, err := s.acme().LaunchContext(t.Context(), "", "k")
		must(t, err)
		if known.Earlier != nil || known.Accounts.Tenant.ActiveVMs != 1 {
			t.Fatalf("%s: left %+v behind", name, known)
		}
		wantEqual(t, s.vm(t, first), first)
	}
}

func createIdempotently(t *testing.T, s *subject) {
	expires := s.clock.Now().Add(dcm.IdempotencyTTL)
	withKey := func() dcm.Intent {
		i := s.intent(t, acme)
		i.Idempotency = &dcm.Idempotency{Key: "again", BodyHash: "hash", VM: i.VM.ID, ExpiresAt: expires}
		return i
	}
	first := withKey()
	must(t, s.acme().CreateVM(t.Context(), first))
	for range Quota - 1 {
		s.launch(t, acme)
	}

	// The earlier VM may itself have taken the last slot: the key comes first.
	wantIs(t, s.acme().CreateVM(t.Context(), withKey()), dcm.ErrIdempotencyTaken)
	same := withKey()
	same.NewWorkspace, same.Workspace.ID, same.VM.WorkspaceID = false, first.Workspace.ID, first.Workspace.ID
	wantIs(t, s.acme().CreateVM(t.Context(), same), dcm.ErrIdempotencyTaken)

	// It is acme's key alone.
	elsewhere := s.intent(t, other)
	elsewhere.Idempotency = &dcm.Idempotency{Key: "again", VM: elsewhere.VM.ID, ExpiresAt: expires}
	must(t, s.Tenant(other).CreateVM(t.Context(), elsewhere))

	// After its day it is free, whether or not the table still has it.
	s.end(t, first.VM)
	s.clock.Advance(dcm.IdempotencyTTL)
	known, err := s.acme().LaunchContext(t.Context(), "", "again")
	must(t, err)
	if known.Earlier != nil {
		t.Fatalf("an expired key still stands for %s", known.Earlier.VM)
	}
	expires = s.clock.Now().Add(dcm.IdempotencyTTL)
	next := withKey()
	must(t, s.acme().CreateVM(t.Context(), next))
	known, err = s.acme().LaunchContext(t.Context(), "", "again")
	must(t, err)
	wantEqual(t, known.Earlier, next.Idempotency)
}

// takeOverKey: only with the VM for which it stands; once; and not for a launch that
// is refused.
func takeOverKey(t *testing.T, s *subject) {
	keyed := func(undone dcm.VMID) dcm.Intent {
		i := s.intent(t, acme)
		i.Idempotency = &dcm.Idempotency{Key: "again", BodyHash: "hash", VM: i.VM.ID, ExpiresAt: s.clock.Now().Add(dcm.IdempotencyTTL)}
		i.Undone = undone
		return i
	}
	first := keyed("")
	must(t, s.acme().CreateVM(t.Context(), first))
	standsFor := func(want dcm.Intent) {
		t.Helper()
		known, err := s.acme().LaunchContext(t.Context(), "", "again")
		must(t, err)
		wantEqual(t, known.Earlier, want.Idempotency)
	}
	wantIs(t, s.acme().CreateVM(t.Context(), keyed(mustVMID(t))), dcm.ErrIdempotencyTaken)
	refused := keyed(first.VM.ID)
	refused.NewWorkspace = false
	if err := s.acme().CreateVM(t.Context(), refused); err == nil {
		t.Fatal("a launch in a workspace that is gone was accepted")
	}
	standsFor(first)
	next := keyed(first.VM.ID)
	must(t, s.acme().CreateVM(t.Context(), next))
	standsFor(next)
	wantIs(t, s.acme().CreateVM(t.Context(), keyed(first.VM.ID)), dcm.ErrIdempotencyTaken)
	standsFor(next)
}

func quota(t *testing.T, s *subject) {
	var vms []dcm.VM
	for range Quota {
		vms = append(vms, s.launch(t, acme))
	}
	refuse := func() {
		t.Helper()
		e := wantCode(t, s.acme().CreateVM(t.Context(), s.intent(t, acme)), dcm.CodeQuotaExceeded)
		for _, part := range []string{"limit of 3", "3 are in use", "creating, running and stopping"} {
			if !strings.Contains(e.Message, part) {
				t.Fatalf("message %q does not say %q", e.Message, part)
			}
		}
	}
	refuse()
	vms[0] = s.run(t, vms[0])
	refuse()
	vms[0] = s.stop(t, vms[0])
	refuse()
	must(t, s.acme().FinishVM(t.Context(), dcm.Finish{VM: vms[0].ID, Workspace: vms[0].WorkspaceID, At: s.clock.Now()}))
	s.launch(t, acme)
	refuse()
	s.launch(t, other)

	// A stored profile counts, not the default of the day.
	i := s.intent(t, acme)
	i.DefaultQuotas.MaxConcurrentVMs = 100
	wantCode(t, s.acme().CreateVM(t.Context(), i), dcm.CodeQuotaExceeded)

	// An installation may allow nothing to those it does not know.
	i = s.intent(t, "stranger")
	i.DefaultQuotas.MaxConcurrentVMs = 0
	wantCode(t, s.Tenant("stranger").CreateVM(t.Context(), i), dcm.CodeQuotaExceeded)
}

func resume(t *testing.T, s *subject) {
	first := s.launch(t, acme)
	first = s.run(t, first)
	must(t, s.acme().AddWorkspaceKey(t.Context(), key(first, 1, s.clock.Now())))
	b := backup(t, first, 1, s.clock.Now())
	must(t, s.acme().AdvanceGeneration(t.Context(), first.ID, first.WorkspaceID, b))

	again := func() dcm.Intent {
		i := s.intent(t, acme)
		ws := s.workspace(t, first)
		ws.ActiveVM, ws.UpdatedAt = i.VM.ID, s.clock.Now()
		i.Workspace, i.NewWorkspace, i.VM.WorkspaceID = ws, false, ws.ID
		i.VM.Restore, i.VM.Generation = ws.Backup, ws.Generation
		return i
	}
	e := wantCode(t, s.acme().CreateVM(t.Context(), again()), dcm.CodeConflict)
	if !strings.Contains(e.Message, string(first.ID)) {
		t.Fatalf("message %q does not name %s", e.Message, first.ID)
	}

	s.end(t, first)
	stale := again()
	stale.Workspace.Generation = 0
	wantIs(t, s.acme().CreateVM(t.Context(), stale), dcm.ErrLostRace)

	s.clock.Advance(time.Minute)
	i := again()
	must(t, s.acme().CreateVM(t.Context(), i))
	wantEqual(t, s.vm(t, i.VM), i.VM)
	wantEqual(t, s.workspace(t, i.VM), i.Workspace)
	wantEqual(t, i.Workspace.Backup, &b)
	wantEqual(t, i.Workspace.Recipient, "age1v1")
}
