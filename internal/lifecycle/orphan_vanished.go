package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// vanishedSilence is how long a VM must not have called before its server can be
// taken for gone. A VM that calls has a server, whatever the provider says: the
// credential may open another account than it did. It is longer than a record is
// left without a word of a VM that is well.
const vanishedSilence = 2 * dcm.HeartbeatWriteAfter

// Vanished reports whether the VM is live and its server gone from the account,
// which is asked for it by its id: that a list did not have it proves nothing.
func (o *Orphans) Vanished(ctx context.Context, lost dcm.Vanished) (bool, error) {
	_, missing, err := o.missing(ctx, lost)
	return missing, err
}

// EndVanished makes a VM stopping whose server is gone, and due at once, so that
// the next sweep releases it. It reports whether it did.
func (o *Orphans) EndVanished(ctx context.Context, lost dcm.Vanished) (bool, error) {
	vm, missing, err := o.missing(ctx, lost)
	if err != nil || !missing {
		return false, err
	}
	_, err = o.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, endOf(vm, o.Clock.Now()))
	if errors.Is(err, dcm.ErrLostRace) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stop %s: %w", vm.ID, err)
	}
	if vm.Status != dcm.StatusStopping {
		o.Meter.Count(dcm.MetricHeartbeatLost, 1)
		e, err := o.event(resourceOf(vm), dcm.ActorSystem, sweepOrphans, Origin{}, "stopping: its server is gone")
		o.note(ctx, vm.TenantID, e, err)
	}
	o.Log.WarnContext(ctx, "ended a VM whose server is gone", "vm", vm.ID, "tenant", vm.TenantID, "server", vm.ProviderID)
	return true, nil
}

// endOf is the write that ends the VM. There is nothing left that could save its
// work, so its release need not wait. One that is stopping keeps its reason.
func endOf(vm dcm.VM, now time.Time) dcm.VMChange {
	force := true
	c := dcm.VMChange{From: []dcm.Status{vm.Status}, IfDueAt: &vm.DueAt, IfProviderID: true, Force: &force, DueAt: &now}
	if vm.Status == dcm.StatusStopping {
		return c
	}
	status, reason := dcm.StatusStopping, dcm.StopHeartbeatLost
	c.Status, c.StopReason, c.StoppingAt = &status, &reason, &now
	if vm.Error == nil {
		c.Error = &dcm.Problem{Code: dcm.ProblemServerGone,
			Message: "the provider no longer knows the VM's server: somebody deleted it there; what changed since the last backup is lost"}
	}
	return c
}

// missing reads the record and asks the provider.
func (o *Orphans) missing(ctx context.Context, lost dcm.Vanished) (dcm.VM, bool, error) {
	vm, err := orNone(o.Store.Tenant(lost.Tenant).VM(ctx, lost.VM))
	if err != nil {
		return dcm.VM{}, false, fmt.Errorf("read %s: %w", lost.VM, err)
	}
	if vm == nil || !lost.MayBe(*vm) || silentSince(*vm, o.Clock.Now()) < vanishedSilence {
		return dcm.VM{}, false, nil
	}
	if vm.Status == dcm.StatusStopping && mayRelease(*vm) {
		// Its release is under way already.
		return dcm.VM{}, false, nil
	}
	var accounts dcm.TenantAccounts
	if vm.AccountID != dcm.PlatformAccount {
		if accounts, err = o.Store.Tenant(lost.Tenant).Accounts(ctx); err != nil {
			return dcm.VM{}, false, fmt.Errorf("read the accounts of %s: %w", lost.Tenant, err)
		}
	}
	provider := o.Providers[vm.Provider]
	if provider == nil {
		return dcm.VM{}, false, fmt.Errorf("provider %q has no adapter", vm.Provider)
	}
	credential, err := o.Accounts.Credential(ctx, accounts, vm.Provider, vm.AccountID)
	if err != nil {
		return dcm.VM{}, false, fmt.Errorf("open the credential for %s: %w", vm.Provider, err)
	}
	server, err := provider.GetVM(ctx, credential, dcm.ServerRef{ID: vm.ProviderID})
	if err != nil {
		return dcm.VM{}, false, fmt.Errorf("ask for server %s: %w", vm.ProviderID, err)
	}
	return *vm, server == nil, nil
}
