package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Releaser ends VMs. Nothing else deletes a server, a record or an upload.
type Releaser struct {
	Common
	Accounts  dcm.Accounts
	Providers map[string]dcm.Provider
	DNS       dcm.DNS
	Storage   dcm.Storage
}

// ErrNotGone says that a release has begun and is not finished: the record
// stays stopping, holds its quota slot, and a sweep carries on.
var ErrNotGone = errors.New("the VM is not gone yet")

// Release takes a stopping VM's server, DNS records and unfinished upload
// away, in this order, and makes it stopped only when the provider, asked
// again, no longer knows the server. Every step may be repeated, by anybody,
// at any time. It returns the VM as it is then; ErrNotGone if a sweep must
// carry on. Event, unless nil, goes to the audit log in the write that makes the
// VM stopped.
func (r *Releaser) Release(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, event *dcm.Event) (dcm.VM, error) {
	launchOver := vm.CreatedAt.Add(dcm.LaunchDeadline)
	if vm.ProviderID == "" && r.Clock.Now().Before(launchOver) {
		// The function that launches this VM may still be about to create the
		// server. Finding none now would prove nothing.
		return r.putOff(ctx, vm, receiptOf(vm), launchOver, fmt.Errorf("its launch may still be under way: %w", ErrNotGone))
	}
	return r.releaseLaunched(ctx, vm, accounts, event)
}

// releaseLaunched is Release for a VM whose launch is known to be over.
func (r *Releaser) releaseLaunched(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, event *dcm.Event) (dcm.VM, error) {
	receipt := receiptOf(vm)
	for _, s := range r.steps(vm) {
		err := s.run(ctx, vm, accounts, &receipt)
		if err != nil { // that one came through says little: a zone that is gone holds up no release
			r.tryNoteOwn(ctx, accounts, s.account, sweepVMs, err)
		}
		switch {
		case err == nil:
		case s.refused(err):
			return r.tokenRefused(ctx, vm, receipt, s, err)
		default:
			return r.putOff(ctx, vm, receipt, r.again(err), err)
		}
	}
	return r.finish(ctx, vm, receipt, event)
}

// again is when a release that failed is tried again: soon, but not before the
// service that limits requests has time for it.
func (c Common) again(err error) time.Time {
	wait, _ := limitWait(err)
	return c.Clock.Now().Add(max(dcm.ReleaseRetry, wait))
}

// step is a part of a release, and whose account it needs.
type step struct {
	// run adds to the receipt what it did.
	run     func(context.Context, dcm.VM, dcm.TenantAccounts, *dcm.Receipt) error
	account dcm.AccountID
	// what it takes away, and where, in words for the tenant.
	what, where string
	// storage says that it is about a backup, and no server or record any more.
	storage bool
}

func (r *Releaser) steps(vm dcm.VM) []step {
	return []step{
		{r.releaseServer, vm.AccountID, "server " + serverText(vm), vm.Provider, false},
		{r.releaseDNS, vm.DNS.AccountID, "DNS records of *." + vm.Hostname, "the DNS service", false},
		{r.settleUpload, vm.StorageID, "unfinished backup", "the storage", true},
	}
}

// finish makes the record stopped, with its receipt. If somebody else did so
// first, the release has happened just the same.
func (r *Releaser) finish(ctx context.Context, vm dcm.VM, receipt dcm.Receipt, event *dcm.Event) (dcm.VM, error) {
	now := r.Clock.Now()
	tenant := r.Store.Tenant(vm.TenantID)
	receipt.Usage = r.usage(ctx, vm, receipt.ServerID, now)
	err := tenant.FinishVM(ctx, dcm.Finish{
		VM: vm.ID, Workspace: vm.WorkspaceID, At: now,
		Provider: vm.Provider, AccountID: vm.AccountID, Reserved: vm.Reserved, Receipt: receipt, Event: event,
		// A VM that never came to be leaves no empty workspace of its own behind.
		DropWorkspace: vm.StopReason == dcm.StopCreateFailed && vm.Restore == nil,
	})
	if errors.Is(err, dcm.ErrLostRace) {
		other, readErr := tenant.VM(ctx, vm.ID)
		if readErr == nil && other.Status == dcm.StatusStopped {
			return other, nil
		}
		return vm, errors.Join(fmt.Errorf("finish the record of %s: %w", vm.ID, err), readErr)
	}
	if err != nil {
		return vm, fmt.Errorf("finish the record of %s: %w", vm.ID, err)
	}
	r.Meter.Count(dcm.MetricVMsReleased, 1)
	r.Log.InfoContext(ctx, "released", "vm", vm.ID, "tenant", vm.TenantID, "reason", vm.StopReason, "server", vm.ProviderID)
	vm.Status, vm.StoppedAt, vm.DueAt, vm.Upload, vm.Receipt = dcm.StatusStopped, &now, time.Time{}, nil, &receipt
	return vm, nil
}

// usage is what the VM used with this server, which its record may not know.
func (r *Releaser) usage(ctx context.Context, vm dcm.VM, server string, end time.Time) []dcm.Usage {
	vm.ProviderID = server
	used, err := vm.UsageUntil(end)
	if err != nil {
		// A record that can't be priced must not keep the VM's slot for ever.
		r.Log.ErrorContext(ctx, "usage is recorded without its cost", "vm", vm.ID, "error", err)
		vm.Price = nil
		used, _ = vm.UsageUntil(end)
	}
	return used
}

// mayRelease says that a stopping VM need not be kept for its work: its owner
// let it go, its agent has saved it, or there never was any.
func mayRelease(vm dcm.VM) bool { return vm.Force || vm.RunningAt == nil && vm.BootstrappedAt == nil }

// putOff notes why the VM is still there, when to try again, and what the next
// try could not add to the receipt any more.
func (r *Releaser) putOff(ctx context.Context, vm dcm.VM, receipt dcm.Receipt, due time.Time, cause error) (dcm.VM, error) {
	r.Meter.Count(dcm.MetricReleasePending, 1)
	change := dcm.VMChange{From: []dcm.Status{dcm.StatusStopping}, DueAt: &due, Receipt: unrecorded(vm, receipt)}
	if !errors.Is(cause, ErrNotGone) && vm.Error == nil {
		// What failed first stays: it is why the VM ended.
		change.Error = &dcm.Problem{Code: dcm.ProblemReleaseBlocked, Message: "the VM could not be released yet: " + blame(cause)}
	}
	if change.Error == nil && change.Receipt == nil && !vm.DueAt.After(due) && vm.DueAt.After(r.Clock.Now()) {
		// It is put off already, by whoever let it go a moment ago.
		return vm, fmt.Errorf("release %s: %w", vm.ID, cause)
	}
	changed, err := r.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, change)
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return vm, errors.Join(cause, fmt.Errorf("put off the release of %s: %w", vm.ID, err))
	}
	return changed, fmt.Errorf("release %s: %w", vm.ID, cause)
}

// blame says in a user's words which outside service stands in the way.
func blame(err error) string {
	if e, ok := errors.AsType[*dcm.ProviderError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*dcm.Error](err); ok && e.Code != dcm.CodeInternal {
		return e.Message
	}
	return "an internal error; it is tried again every minute"
}
