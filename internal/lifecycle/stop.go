package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Stopper ends VMs at their owner's wish.
type Stopper struct {
	Common
	Releaser *Releaser
}

// Stop makes a VM stopping. The agent learns of it with its next heartbeat,
// backs up, and calls cleanup. With force, or where nothing was ever ready and
// so nothing can be lost, the VM is released at once. Asking again is no error
// and changes nothing, except that force may follow. CodeNotFound.
func (s *Stopper) Stop(ctx context.Context, t dcm.TenantID, id dcm.VMID, force bool) (dcm.VM, error) {
	vm, err := s.begin(ctx, t, id, force)
	if err != nil {
		return dcm.VM{}, err
	}
	if vm.Status != dcm.StatusStopping || !mayRelease(vm) {
		return vm, nil
	}
	_, accounts, err := s.Store.Tenant(t).ReleaseContext(ctx, id)
	if err != nil {
		s.Log.WarnContext(ctx, "release after stop is left to the sweep", "vm", id, "error", err)
		return vm, nil
	}
	released, err := s.Releaser.Release(ctx, vm, accounts, nil)
	if err != nil {
		// The wish is recorded; a sweep carries on.
		s.Log.WarnContext(ctx, "release after stop is left to the sweep", "vm", id, "error", err)
	}
	return released, nil
}

// Abandon gives up a VM that the tenant's own account no longer lets anybody
// end: see Releaser.Abandon. CodeNotFound, CodeConflict.
func (s *Stopper) Abandon(ctx context.Context, t dcm.TenantID, id dcm.VMID) (dcm.VM, error) {
	vm, accounts, err := s.Store.Tenant(t).ReleaseContext(ctx, id)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("read %s: %w", id, err)
	}
	return s.Releaser.Abandon(ctx, vm, accounts)
}

// begin records the wish in one conditional write, or two if the VM is
// stopping already and force is new.
func (s *Stopper) begin(ctx context.Context, t dcm.TenantID, id dcm.VMID, force bool) (dcm.VM, error) {
	now := s.Clock.Now()
	due := now.Add(dcm.HeartbeatLostAfter)
	status, reason := dcm.StatusStopping, dcm.StopUser
	change := dcm.VMChange{
		From:       []dcm.Status{dcm.StatusCreating, dcm.StatusRunning},
		Status:     &status,
		StopReason: &reason,
		StoppingAt: &now,
		DueAt:      &due,
	}
	if force {
		change.Force = &force
	}
	tenant := s.Store.Tenant(t)
	vm, err := tenant.ChangeVM(ctx, id, change)
	if errors.Is(err, dcm.ErrLostRace) && vm.Status == dcm.StatusStopping && force && !vm.Force {
		vm, err = tenant.ChangeVM(ctx, id, dcm.VMChange{
			From: []dcm.Status{dcm.StatusStopping}, Force: &force, DueAt: &now,
		})
	}
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return dcm.VM{}, fmt.Errorf("stop %s: %w", id, err)
	}
	return vm, nil
}
