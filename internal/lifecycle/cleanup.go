package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Cleaner ends VMs at their agent's word: the work is saved, the server may go.
type Cleaner struct {
	Common
	Releaser *Releaser
}

// Cleanup releases the VM. The agent must name the newest generation that was
// saved; only where nothing was to be saved may it discard. CodeInvalid,
// CodeConflict, CodeNotFound, CodeProviderUnavailable (call again).
//
// What was released is in the audit log; what was not, is for the caller to
// record.
func (c *Cleaner) Cleanup(ctx context.Context, who dcm.TokenClaims, r dcm.Cleanup, from Origin) (dcm.VM, error) {
	tenant := c.Store.Tenant(who.Tenant)
	vm, accounts, err := tenant.ReleaseContext(ctx, who.VM)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	if vm.Status == dcm.StatusStopped {
		return vm, nil
	}
	if err := mayGo(vm, r); err != nil {
		return dcm.VM{}, err
	}
	if vm, err = c.letGo(ctx, tenant, vm, r.Reason); err != nil {
		return dcm.VM{}, err
	}
	event, err := c.event(resourceOf(vm), dcm.ActorVM, "vms-cleanup", from, "released: "+string(vm.StopReason))
	if err != nil {
		return dcm.VM{}, err
	}
	released, err := c.Releaser.Release(ctx, vm, accounts, &event)
	_, limited := limitWait(err)
	switch {
	case errors.Is(err, ErrNotGone), limited:
		// The deletion is under way, or put off until the provider has time for
		// it; a sweep carries on.
		return released, nil
	case err != nil:
		return dcm.VM{}, outsideError("the provider", err)
	}
	return released, nil
}

// mayGo checks the agent's word against the record.
func mayGo(vm dcm.VM, r dcm.Cleanup) error {
	switch {
	case mayRelease(vm), vm.RunningAt == nil:
		return nil
	case r.Discard:
		return dcm.Errorf(dcm.CodeConflict, "this VM's work may not be discarded; back it up first")
	case r.Generation != vm.Generation:
		return dcm.Errorf(dcm.CodeConflict, "the newest saved generation is %d, not %d", vm.Generation, r.Generation)
	}
	return nil
}

// letGo records, before anything is deleted, that nothing needs to be waited
// for any more. If this call dies half way, a sweep carries on at once.
func (c *Cleaner) letGo(ctx context.Context, t dcm.TenantStore, vm dcm.VM, reason dcm.StopReason) (dcm.VM, error) {
	if vm.Status == dcm.StatusStopping && vm.Force {
		return vm, nil
	}
	now, saved := c.Clock.Now(), true
	due := now.Add(dcm.ReleaseRetry)
	change := dcm.VMChange{From: []dcm.Status{vm.Status}, Force: &saved, DueAt: &due, ClearError: clearable(vm.Error)}
	if vm.Status != dcm.StatusStopping {
		if err := checkReason(&reason, vm); err != nil {
			return vm, err
		}
		status := dcm.StatusStopping
		change.Status, change.StopReason, change.StoppingAt = &status, &reason, &now
	}
	changed, err := t.ChangeVM(ctx, vm.ID, change)
	if errors.Is(err, dcm.ErrLostRace) {
		return vm, dcm.Errorf(dcm.CodeConflict, "the VM changed meanwhile; call again").WithCause(err)
	}
	if err != nil {
		return vm, fmt.Errorf("let %s go: %w", vm.ID, err)
	}
	return changed, nil
}

func checkReason(reason *dcm.StopReason, vm dcm.VM) error {
	switch *reason {
	case dcm.StopUser, dcm.StopIdle, dcm.StopMaxLifetime, dcm.StopBudget:
	default:
		return dcm.InvalidFields(dcm.FieldError{Field: "reason", Message: "must be user, idle, max_lifetime or budget"})
	}
	if vm.RunningAt == nil {
		*reason = dcm.StopCreateFailed
	}
	return nil
}
