package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
)

// The tenants of the suite.
const (
	acme  dcm.TenantID = "acme"
	other dcm.TenantID = "acme-2"
)

// subject is the store under test, with the steps that scenarios share.
type subject struct {
	dcm.Store
	clock *clocktest.Clock
}

func (s *subject) acme() dcm.TenantStore { return s.Tenant(acme) }

// intent is a launch of a new VM in a new workspace.
func (s *subject) intent(t *testing.T, tenant dcm.TenantID) dcm.Intent {
	t.Helper()
	now := s.clock.Now()
	vm := FullVM(mustVMID(t), mustWorkspaceID(t), tenant, now)
	return dcm.Intent{
		VM: vm,
		Workspace: dcm.Workspace{
			ID: vm.WorkspaceID, TenantID: tenant, RepoURL: vm.RepoURL, Branch: vm.Branch,
			CreatedAt: now, UpdatedAt: now, ActiveVM: vm.ID, CreatedBy: vm.ID,
		},
		NewWorkspace:  true,
		DefaultQuotas: dcm.Quotas{MaxConcurrentVMs: Quota},
	}
}

// FullVM is a new VM as a launch records it.
func FullVM(id dcm.VMID, w dcm.WorkspaceID, tenant dcm.TenantID, now time.Time) dcm.VM {
	return dcm.VM{
		ID: id, TenantID: tenant, WorkspaceID: w,
		Name: "api fix", RepoURL: "https://github.com/acme/api", Branch: "main", Size: dcm.SizeSmall,
		Labels: map[string]string{"team": "core"}, CreatedBy: "user|1",
		Provider: "hetzner", Region: "fsn1",
		Hostname: string(id) + ".acme.vm.example.com",
		DNS:      dcm.DNSPlacement{ZoneID: "zone"},
		Status:   dcm.StatusCreating, CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour),
		DueAt: now.Add(dcm.LaunchDeadline).Truncate(time.Second), IdleTimeout: 30 * time.Minute,
		Password: dcm.Sealed("sealed"),
	}
}

// launch makes an intent with a new workspace come true.
func (s *subject) launch(t *testing.T, tenant dcm.TenantID) dcm.VM {
	t.Helper()
	i := s.intent(t, tenant)
	must(t, s.Tenant(tenant).CreateVM(t.Context(), i))
	return i.VM
}

// run makes the VM running.
func (s *subject) run(t *testing.T, vm dcm.VM) dcm.VM {
	t.Helper()
	return s.move(t, vm, dcm.StatusCreating, dcm.StatusRunning)
}

// stop makes the VM stopping.
func (s *subject) stop(t *testing.T, vm dcm.VM) dcm.VM {
	t.Helper()
	return s.move(t, vm, vm.Status, dcm.StatusStopping)
}

func (s *subject) move(t *testing.T, vm dcm.VM, from, to dcm.Status) dcm.VM {
	t.Helper()
	moved, err := s.Tenant(vm.TenantID).ChangeVM(t.Context(), vm.ID, dcm.VMChange{From: []dcm.Status{from}, Status: &to})
	must(t, err)
	return moved
}

// end stops the VM and finishes it.
func (s *subject) end(t *testing.T, vm dcm.VM) {
	t.Helper()
	s.stop(t, vm)
	must(t, s.Tenant(vm.TenantID).FinishVM(t.Context(), dcm.Finish{VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now()}))
}

// finishOf ends a stopping VM's record, at what the clock shows.
func (s *subject) finishOf(vm dcm.VM, used ...dcm.Usage) dcm.Finish {
	return dcm.Finish{
		VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now(),
		Provider: vm.Provider, AccountID: vm.AccountID, Reserved: vm.Reserved, Receipt: dcm.Receipt{Usage: used},
	}
}

// settle stops the VM and finishes it with what it used.
func (s *subject) settle(t *testing.T, vm dcm.VM, used ...dcm.Usage) {
	t.Helper()
	s.stop(t, vm)
	must(t, s.Tenant(vm.TenantID).FinishVM(t.Context(), s.finishOf(vm, used...)))
}

// resumption is a launch of a new VM in the workspace of one that ended.
func (s *subject) resumption(t *testing.T, vm dcm.VM) dcm.Intent {
	t.Helper()
	i := s.intent(t, vm.TenantID)
	i.Workspace = s.workspace(t, vm)
	i.Workspace.ActiveVM, i.Workspace.UpdatedAt = i.VM.ID, s.clock.Now()
	i.NewWorkspace, i.VM.WorkspaceID, i.VM.StorageID = false, vm.WorkspaceID, i.Workspace.StorageID
	i.VM.Restore, i.VM.Generation = i.Workspace.Backup, i.Workspace.Generation
	return i
}

func (s *subject) vm(t *testing.T, vm dcm.VM) dcm.VM {
	t.Helper()
	got, err := s.Tenant(vm.TenantID).VM(t.Context(), vm.ID)
	must(t, err)
	return got
}

func (s *subject) workspace(t *testing.T, vm dcm.VM) dcm.Workspace {
	t.Helper()
	got, err := s.Tenant(vm.TenantID).Workspace(t.Context(), vm.WorkspaceID)
	must(t, err)
	return got
}

func (s *subject) profile(t *testing.T, tenant dcm.TenantID) dcm.Tenant {
	t.Helper()
	known, err := s.Tenant(tenant).LaunchContext(t.Context(), "", "")
	must(t, err)
	return known.Accounts.Tenant
}

func backup(t *testing.T, vm dcm.VM, generation int64, at time.Time) dcm.Backup {
	t.Helper()
	id, err := dcm.NewBackupID(rand.Reader)
	must(t, err)
	return dcm.Backup{
		ID: id, Key: dcm.BackupKey(vm.TenantID, vm.WorkspaceID), VersionID: fmt.Sprintf("v%d", generation),
		SizeBytes: 1 << 33, SHA256: "ab12", KeyVersion: 1, Generation: generation, TakenAt: at,
	}
}

func key(vm dcm.VM, version int, at time.Time) dcm.WorkspaceKey {
	return dcm.WorkspaceKey{
		WorkspaceID: vm.WorkspaceID, Version: version, Recipient: fmt.Sprintf("age1v%d", version),
		Sealed: dcm.Sealed(fmt.Sprintf("sealed %d", version)), CreatedAt: at,
	}
}

func mustVMID(t *testing.T) dcm.VMID {
	t.Helper()
	id, err := dcm.NewVMID(rand.Reader)
	must(t, err)
	return id
}

func mustWorkspaceID(t *testing.T) dcm.WorkspaceID {
	t.Helper()
	id, err := dcm.NewWorkspaceID(rand.Reader)
	must(t, err)
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code dcm.Code) *dcm.Error {
	t.Helper()
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("got error %v, want code %q", err, code)
	}
	return e
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

func ptr[T any](v T) *T { return &v }
