package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func readBack(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	peeked, err := s.acme().PeekVM(t.Context(), vm.ID)
	must(t, err)
	wantEqual(t, peeked, vm)

	for _, id := range []dcm.VMID{mustVMID(t), "", "PROFILE", "vm-", dcm.VMID(vm.WorkspaceID), vm.ID + "#", dcm.VMID(make([]byte, 3000))} {
		_, err := s.acme().VM(t.Context(), id)
		wantCode(t, err, dcm.CodeNotFound)
		_, err = s.acme().PeekVM(t.Context(), id)
		wantCode(t, err, dcm.CodeNotFound)
	}
	for _, id := range []dcm.WorkspaceID{mustWorkspaceID(t), "", dcm.WorkspaceID(vm.ID), "ws-#"} {
		_, err := s.acme().Workspace(t.Context(), id)
		wantCode(t, err, dcm.CodeNotFound)
		_, err = s.acme().WorkspaceKey(t.Context(), id, 1)
		wantCode(t, err, dcm.CodeNotFound)
	}
	for _, id := range []dcm.TenantID{"", "a#b", "Acme", "acme#VM"} {
		if _, err := s.Tenant(id).VM(t.Context(), vm.ID); err == nil {
			t.Fatalf("tenant %q read a VM", id)
		}
		i := s.intent(t, id)
		if err := s.Tenant(id).CreateVM(t.Context(), i); err == nil {
			t.Fatalf("tenant %q made a VM", id)
		}
	}
}

func due(t *testing.T, s *subject) {
	read := func(until time.Time, limit int) map[dcm.VMID]dcm.DueVM {
		t.Helper()
		all := map[dcm.VMID]dcm.DueVM{}
		for shard := range dcm.DueShards {
			found, err := s.DueVMs(t.Context(), shard, until, limit)
			must(t, err)
			for i, d := range found {
				all[d.VM] = d
				if i > 0 && d.DueAt.Before(found[i-1].DueAt) {
					t.Fatalf("shard %d is not oldest first: %v", shard, found)
				}
			}
		}
		return all
	}
	at := s.clock.Now().Truncate(time.Second)
	var vms []dcm.VM
	for n := range 12 {
		i := s.intent(t, dcm.TenantID([]string{"acme", "b", "c", "d"}[n%4]))
		i.VM.DueAt = at.Add(time.Duration(12-n) * time.Minute)
		must(t, s.Tenant(i.VM.TenantID).CreateVM(t.Context(), i))
		vms = append(vms, i.VM)
	}
	if found := read(at.Add(59*time.Second), 100); len(found) != 0 {
		t.Fatalf("found %v, nothing is due yet", found)
	}
	found := read(at.Add(6*time.Minute), 100)
	for n, vm := range vms {
		d, ok := found[vm.ID]
		if want := n >= 6; ok != want {
			t.Fatalf("VM %d, due after %v: found %t, want %t", n, vm.DueAt.Sub(at), ok, want)
		}
		if ok {
			wantEqual(t, d, dcm.DueVM{Tenant: vm.TenantID, VM: vm.ID, DueAt: vm.DueAt})
		}
	}
	for shard := range dcm.DueShards {
		if found, err := s.DueVMs(t.Context(), shard, at.Add(time.Hour), 1); err != nil || len(found) > 1 {
			t.Fatalf("limit 1 gave %v, %v", found, err)
		}
	}

	// It moves, leaves and ends.
	moved, left, ended := vms[11], vms[10], vms[9]
	_, err := s.Tenant(moved.TenantID).ChangeVM(t.Context(), moved.ID, dcm.VMChange{From: dcm.Statuses, DueAt: ptr(at.Add(time.Hour))})
	must(t, err)
	gone, err := s.Tenant(left.TenantID).ChangeVM(t.Context(), left.ID, dcm.VMChange{From: dcm.Statuses, DueAt: &time.Time{}})
	must(t, err)
	if !gone.DueAt.IsZero() {
		t.Fatalf("DueAt is %v after it was cleared", gone.DueAt)
	}
	s.end(t, ended)
	if got := s.vm(t, ended); !got.DueAt.IsZero() {
		t.Fatalf("a stopped VM is due at %v", got.DueAt)
	}
	found = read(at.Add(2*time.Hour), 100)
	if d := found[moved.ID]; len(found) != 10 || !d.DueAt.Equal(at.Add(time.Hour)) {
		t.Fatalf("found %d, moved to %v", len(found), d.DueAt)
	}
	for _, shard := range []int{-1, dcm.DueShards} {
		if _, err := s.DueVMs(t.Context(), shard, at, 1); err == nil {
			t.Fatalf("shard %d was read", shard)
		}
	}
}

// isolation: to one tenant, what another has and what never was are the same,
// word for word, and writes do not reach across.
func isolation(t *testing.T, s *subject) {
	at := s.clock.Now()
	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-1", "hetzner", at), ""))
	_, err := s.acme().SetDNSAccount(t.Context(), dnsAccount("ac-d1", at), at)
	must(t, err)
	_, err = s.acme().SetStorageAccount(t.Context(), storageAccount("ac-s1", at), at)
	must(t, err)
	theirs := s.run(t, s.launch(t, acme))
	must(t, s.acme().AddWorkspaceKey(t.Context(), key(theirs, 1, at)))
	b := backup(t, theirs, 1, at)
	must(t, s.acme().AdvanceGeneration(t.Context(), theirs.ID, theirs.WorkspaceID, b))
	must(t, s.acme().AddEvent(t.Context(), event(t, at)))
	theirs = s.vm(t, theirs)
	never := theirs
	never.ID, never.WorkspaceID = mustVMID(t), mustWorkspaceID(t)
	spy := s.Tenant(other)
	must(t, s.acme().NoteOrphan(t.Context(), orphan(s, dcm.OrphanServer, "1", time.Hour)))
	before, workspaceBefore, profileBefore := s.vm(t, theirs), s.workspace(t, theirs), s.profile(t, acme)

	calls := map[string]func(vm dcm.VM) error{
		"VM":           func(vm dcm.VM) error { _, err := spy.VM(t.Context(), vm.ID); return err },
		"PeekVM":       func(vm dcm.VM) error { _, err := spy.PeekVM(t.Context(), vm.ID); return err },
		"Workspace":    func(vm dcm.VM) error { _, err := spy.Workspace(t.Context(), vm.WorkspaceID); return err },
		"WorkspaceKey": func(vm dcm.VM) error { _, err := spy.WorkspaceKey(t.Context(), vm.WorkspaceID, 1); return err },
		"VMWithAccounts": func(vm dcm.VM) error {
			_, a, err := spy.VMWithAccounts(t.Context(), vm.ID)
			wantEqual(t, a, dcm.TenantAccounts{})
			return err
		},
		"ChallengeContext": func(vm dcm.VM) error {
			c, err := spy.ChallengeContext(t.Context(), vm.ID)
			wantEqual(t, c, dcm.ChallengeContext{})
			return err
		},
		"KeyWithAccounts": func(vm dcm.VM) error {
			_, a, err := spy.KeyWithAccounts(t.Context(), vm.WorkspaceID, 1)
			wantEqual(t, a, dcm.TenantAccounts{})
			return err
		},
		"WorkspaceWithAccounts": func(vm dcm.VM) error {
			_, a, err := spy.WorkspaceWithAccounts(t.Context(), vm.WorkspaceID)
			wantEqual(t, a, dcm.TenantAccounts{})
			return err
		},
		"ChangeWorkspace": func(vm dcm.VM) error {
			got, err := spy.ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{Task: &dcm.WorkspaceTask{Kind: dcm.TaskDelete}})
			wantEqual(t, got, dcm.Workspace{})
			return err
		},
		"ReplaceBackup": func(vm dcm.VM) error { return spy.ReplaceBackup(t.Context(), vm.WorkspaceID, b, b) },
		"RetireKeys":    func(vm dcm.VM) error { return spy.RetireKeys(t.Context(), vm.WorkspaceID, 2) },
		"DropWorkspace": func(vm dcm.VM) error { return spy.DropWorkspace(t.Context(), vm.WorkspaceID, at) },
		"LaunchContext": func(vm dcm.VM) error {
			_, err := spy.LaunchContext(t.Context(), vm.WorkspaceID, "")
			return err
		},
		"ChangeVM": func(vm dcm.VM) error {
			got, err := spy.ChangeVM(t.Context(), vm.ID, dcm.VMChange{From: dcm.Statuses, Force: ptr(true)})
			wantEqual(t, got, dcm.VM{})
			return err
		},
		"BindBootstrap": func(vm dcm.VM) error {
			got, err := spy.BindBootstrap(t.Context(), vm.ID, "key", s.clock.Now())
			wantEqual(t, got, dcm.VM{})
			return err
		},
		"AddWorkspaceKey": func(vm dcm.VM) error { return spy.AddWorkspaceKey(t.Context(), key(vm, 2, s.clock.Now())) },
		"AdvanceGeneration": func(vm dcm.VM) error {
			return spy.AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, backup(t, vm, 1, s.clock.Now()))
		},
		"FinishVM": func(vm dcm.VM) error {
			return spy.FinishVM(t.Context(), dcm.Finish{VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now()})
		},
		"FinishVM, dropping": func(vm dcm.VM) error {
			return spy.FinishVM(t.Context(), dcm.Finish{VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now(), DropWorkspace: true})
		},
	}
	for name, call := range calls {
		a, b := wantCode(t, call(theirs), dcm.CodeNotFound), wantCode(t, call(never), dcm.CodeNotFound)
		if a.Message != b.Message || len(a.Fields)+len(b.Fields) > 0 {
			t.Fatalf("%s: another tenant's answers %q, what never was %q", name, a.Message, b.Message)
		}
	}
	wantEqual(t, s.vm(t, theirs), before)
	wantEqual(t, s.workspace(t, theirs), workspaceBefore)
	wantEqual(t, s.profile(t, acme), profileBefore)
	s.hasNothing(t, other)
	if _, err := spy.WorkspaceKey(t.Context(), theirs.WorkspaceID, 2); dcm.ErrorCode(err) != dcm.CodeNotFound {
		t.Fatalf("a refused key was written: %v", err)
	}

	// Resuming another's workspace is resuming one that is gone.
	for _, vm := range []dcm.VM{theirs, never} {
		i := s.intent(t, other)
		i.NewWorkspace, i.Workspace.ID, i.VM.WorkspaceID = false, vm.WorkspaceID, vm.WorkspaceID
		wantIs(t, spy.CreateVM(t.Context(), i), dcm.ErrLostRace)
	}
	// So is using its accounts, or removing them.
	for _, use := range []func(*dcm.Intent){
		func(i *dcm.Intent) { i.VM.AccountID = "ac-1" },
		func(i *dcm.Intent) { i.VM.DNS.AccountID = "ac-d1" },
		func(i *dcm.Intent) { i.VM.StorageID, i.Workspace.StorageID = "ac-s1", "ac-s1" },
	} {
		must(t, ignore(spy.PutTenant(t.Context(), dcm.TenantChange{At: at, DefaultQuotas: dcm.Quotas{MaxConcurrentVMs: Quota}})))
		i := s.intent(t, other)
		use(&i)
		wantIs(t, spy.CreateVM(t.Context(), i), dcm.ErrLostRace)
	}
	wantCode(t, spy.RemoveProviderAccount(t.Context(), "hetzner"), dcm.CodeNotFound)
	wantCode(t, spy.NoteProviderAccount(t.Context(), "hetzner", "ac-1", at, nil), dcm.CodeNotFound)
	wantIs(t, spy.NoteAccount(t.Context(), dcm.AccountNote{
		Kind: dcm.AccountDNS, ID: "ac-d1", Fingerprint: dnsAccount("ac-d1", at).Fingerprint,
	}), dcm.ErrLostRace)
	must(t, spy.ForgetAccount(t.Context(), "ac-d1"))
	wantEqual(t, s.profile(t, acme), profileBefore)
}

func ignore[T any](_ T, err error) error { return err }

// hasNothing reads all that a tenant could have.
func (s *subject) hasNothing(t *testing.T, tenant dcm.TenantID) {
	t.Helper()
	spy := s.Tenant(tenant)
	known, err := spy.Accounts(t.Context())
	must(t, err)
	wantEqual(t, known, dcm.TenantAccounts{Tenant: dcm.Tenant{ID: tenant, Quotas: dcm.Quotas{MaxConcurrentVMs: Quota}}})
	vms, err := spy.VMs(t.Context(), dcm.VMQuery{})
	must(t, err)
	workspaces, err := spy.Workspaces(t.Context(), dcm.WorkspaceQuery{})
	must(t, err)
	wantEqual(t, len(vms.Items)+len(workspaces.Items)+len(s.allEvents(t, tenant, 0)), 0)
	orphans, err := spy.Orphans(t.Context(), dcm.OrphanQuery{})
	must(t, err)
	wantEqual(t, orphans, dcm.OrphanPage{Items: []dcm.Orphan{}})
	used, err := spy.Usage(t.Context(), "2026-11")
	must(t, err)
	wantEqual(t, used, dcm.MonthlyUsage{Month: "2026-11"})
}
