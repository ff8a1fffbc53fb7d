package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Overdue deals with VMs whose deadline has passed. It is what makes an end of
// everything that a crash, a lost answer or a dead agent left half way.
type Overdue struct {
	Common
	Accounts  dcm.Accounts
	Providers map[string]dcm.Provider
	Releaser  *Releaser
}

// Handle re-reads a VM from the due index and does what its state asks for.
// A VM that is not due any more is left alone.
func (o *Overdue) Handle(ctx context.Context, due dcm.DueVM) error {
	vm, accounts, err := o.read(ctx, due)
	if err != nil || vm == nil {
		return err
	}
	if vm.Status == dcm.StatusCreating || vm.Status == dcm.StatusRunning {
		reason, problem := verdict(*vm, o.Clock.Now())
		if reason == "" {
			return o.putOff(ctx, *vm, earliest(o.Clock.Now().Add(dcm.HeartbeatLostAfter), hardDeadline(*vm)))
		}
		stopped, err := o.stop(ctx, *vm, reason, problem)
		if err != nil {
			return err
		}
		vm = &stopped
	}
	if vm.Status == dcm.StatusStopping {
		return o.stopping(ctx, *vm, accounts)
	}
	return nil
}

// Plan says what Handle would do, "" for nothing, and changes nothing.
func (o *Overdue) Plan(ctx context.Context, due dcm.DueVM) (string, error) {
	vm, accounts, err := o.read(ctx, due)
	if err != nil || vm == nil || !vm.Status.Active() {
		return "", err
	}
	now, first := o.Clock.Now(), ""
	if vm.Status != dcm.StatusStopping {
		reason, _ := verdict(*vm, now)
		if reason == "" {
			return "look again later: it is in time", nil
		}
		first = "stop it, as " + string(reason) + "; then "
		vm.Status, vm.StopReason, vm.StoppingAt = dcm.StatusStopping, reason, &now
	}
	f, err := o.fate(ctx, *vm, accounts)
	return first + string(f.what) + ": " + f.why, err
}

// read reads a VM that is due, nil if it is not any more.
func (o *Overdue) read(ctx context.Context, due dcm.DueVM) (*dcm.VM, dcm.TenantAccounts, error) {
	vm, accounts, err := o.Store.Tenant(due.Tenant).ReleaseContext(ctx, due.VM)
	switch {
	case dcm.ErrorCode(err) == dcm.CodeNotFound:
		return nil, accounts, nil
	case err != nil:
		return nil, accounts, fmt.Errorf("read %s: %w", due.VM, err)
	case vm.DueAt.IsZero() || vm.DueAt.After(o.Clock.Now()):
		return nil, accounts, nil
	}
	return &vm, accounts, nil
}

// verdict says why an overdue VM must end, "" if it need not.
func verdict(vm dcm.VM, now time.Time) (dcm.StopReason, *dcm.Problem) {
	switch {
	case vm.Status == dcm.StatusCreating && vm.ProviderID == "":
		return dcm.StopCreateFailed, &dcm.Problem{Code: dcm.ProblemLaunchTimeout, Message: "the VM was not created in time"}
	case vm.Status == dcm.StatusCreating && vm.BootstrappedAt == nil:
		return dcm.StopBootTimeout, &dcm.Problem{Code: dcm.ProblemBootTimeout, Message: "the VM did not start in time"}
	case vm.Status == dcm.StatusCreating && !now.Before(vm.CreatedAt.Add(dcm.ReadyDeadline)):
		return dcm.StopBootTimeout, &dcm.Problem{Code: dcm.ProblemBootTimeout,
			Message: fmt.Sprintf("the workspace was not ready in time; it was still %s", vm.Phase)}
	case !now.Before(vm.ExpiresAt):
		return dcm.StopMaxLifetime, nil
	case silentSince(vm, now) >= dcm.HeartbeatLostAfter-dcm.HeartbeatInterval:
		return dcm.StopHeartbeatLost, &dcm.Problem{Code: dcm.ProblemHeartbeatLost, Message: "the VM stopped answering"}
	}
	return "", nil
}

// silentSince is how long nothing was heard. The record is refreshed only
// about every fourth heartbeat, so the VM itself may have called since.
func silentSince(vm dcm.VM, now time.Time) time.Duration {
	last := vm.CreatedAt
	for _, t := range []*time.Time{vm.BootstrappedAt, vm.RunningAt, vm.LastSeenAt} {
		if t != nil && t.After(last) {
			last = *t
		}
	}
	return now.Sub(last)
}

func (o *Overdue) stop(ctx context.Context, vm dcm.VM, reason dcm.StopReason, p *dcm.Problem) (dcm.VM, error) {
	now, status := o.Clock.Now(), dcm.StatusStopping
	// Soon due again: if the agent does call, its heartbeat moves the deadline.
	due := now.Add(dcm.HeartbeatLostAfter)
	change := dcm.VMChange{
		From: []dcm.Status{vm.Status}, IfDueAt: &vm.DueAt,
		Status: &status, StopReason: &reason, StoppingAt: &now, DueAt: &due, Error: p,
	}
	if vm.Error != nil {
		change.Error = nil
	}
	stopped, err := o.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, change)
	if errors.Is(err, dcm.ErrLostRace) {
		return dcm.VM{}, nil
	}
	if err != nil {
		return dcm.VM{}, fmt.Errorf("stop overdue %s: %w", vm.ID, err)
	}
	if reason == dcm.StopHeartbeatLost {
		o.Meter.Count(dcm.MetricHeartbeatLost, 1)
	}
	o.Log.WarnContext(ctx, "stopped an overdue VM", "vm", vm.ID, "tenant", vm.TenantID, "reason", reason)
	e, err := o.event(resourceOf(vm), dcm.ActorSystem, sweepVMs, Origin{}, "stopping: "+string(reason))
	o.note(ctx, vm.TenantID, e, err)
	return stopped, nil
}

// ending is what becomes of a stopping VM now.
type ending string

const (
	endingKeep    ending = "keep it, so that it can save its work"
	endingStart   ending = "switch it on, so that it can save its work"
	endingRelease ending = "release it"
	endingLost    ending = "release it, though its last work could not be saved"
)

// fate is a decision about a stopping VM, and why it is made, for people.
type fate struct {
	what ending
	why  string
	// start switches the server on, for endingStart.
	start func(context.Context) error
}

// fate decides whether a stopping VM may still save its work. Where it has none,
// or can't any more, or has had its time, it is released.
func (o *Overdue) fate(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) (fate, error) {
	now := o.Clock.Now()
	switch {
	case vm.Force && mayRelease(vm):
		return fate{what: endingRelease, why: "its work is saved, or was given up"}, nil
	case mayRelease(vm):
		return fate{what: endingRelease, why: "it never had any work"}, nil
	case vm.RunningAt == nil && !now.Before(stoppedAt(vm).Add(dcm.HeartbeatLostAfter)):
		// Had it been ready, it would have said so by now.
		return fate{what: endingRelease, why: "it was never ready"}, nil
	case now.Before(stoppedAt(vm).Add(dcm.StopGrace)):
		return o.keep(ctx, vm, accounts)
	case weWereAway(vm, now):
		// The VM may have been calling all the time, and is heard first.
		return o.keep(ctx, vm, accounts)
	default:
		return fate{what: endingLost, why: "it has had its time to save it"}, nil
	}
}

// weWereAway reports whether a VM that has had its time was to be looked at
// before, and was not. That is so once: the look that finds it sets another.
func weWereAway(vm dcm.VM, now time.Time) bool {
	return !vm.DueAt.After(stoppedAt(vm).Add(dcm.StopGrace)) && now.Sub(vm.DueAt) > dcm.HeartbeatLostAfter
}

// stopping does to a stopping VM what its fate is.
func (o *Overdue) stopping(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) error {
	f, err := o.fate(ctx, vm, accounts)
	if s := o.Releaser.steps(vm)[0]; err != nil && s.refused(err) {
		_, err = o.Releaser.tokenRefused(ctx, vm, receiptOf(vm), s, err)
	}
	if _, limited := limitWait(err); limited {
		return o.putOff(ctx, vm, o.again(err))
	}
	if err != nil {
		return err
	}
	detail := "released: " + string(vm.StopReason)
	switch f.what {
	case endingStart:
		if err := f.start(ctx); err != nil {
			// It gets its other time as well: the next look is another try.
			o.Log.WarnContext(ctx, "a server that is off could not be switched on", "vm", vm.ID, "tenant", vm.TenantID, "error", err)
		} else {
			o.Log.InfoContext(ctx, "a server that was off is switched on, to save its work", "vm", vm.ID, "tenant", vm.TenantID)
		}
		fallthrough
	case endingKeep:
		next := o.Clock.Now().Add(dcm.HeartbeatLostAfter)
		if end := stoppedAt(vm).Add(dcm.StopGrace); end.After(o.Clock.Now()) {
			next = earliest(next, end)
		}
		return o.putOff(ctx, vm, next)
	case endingLost:
		detail += "; its last work could not be saved"
		vm = o.lost(ctx, vm)
	case endingRelease:
	}
	event, err := o.event(resourceOf(vm), dcm.ActorSystem, sweepVMs, Origin{}, detail)
	if err != nil {
		return err
	}
	_, err = o.Releaser.Release(ctx, vm, accounts, &event)
	if _, limited := limitWait(err); limited || errors.Is(err, ErrNotGone) {
		// It has another time, and nothing is wrong.
		return nil
	}
	return err
}

// stoppedAt is when a stopping VM began to stop.
func stoppedAt(vm dcm.VM) time.Time {
	if vm.StoppingAt != nil {
		return *vm.StoppingAt
	}
	return vm.CreatedAt
}

// keep decides the fate of a VM that has not had its time. One that calls may
// still save its work. So may a silent one whose server runs: it may have lost
// its network, and will carry on. A server that is off is switched on, with every
// look; one that is gone has nothing left to save.
func (o *Overdue) keep(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) (fate, error) {
	silent := silentSince(vm, o.Clock.Now())
	if silent <= dcm.HeartbeatLostAfter {
		return fate{what: endingKeep, why: "it calls"}, nil
	}
	provider := o.Providers[vm.Provider]
	if provider == nil {
		return fate{}, fmt.Errorf("provider %q has no adapter", vm.Provider)
	}
	credential, err := o.Accounts.Credential(ctx, accounts, vm.Provider, vm.AccountID)
	if err != nil {
		return fate{}, fmt.Errorf("open the credential for %s: %w", vm.Provider, err)
	}
	server, err := provider.GetVM(ctx, credential, dcm.ServerRef{ID: vm.ProviderID, Name: vm.ID.ServerName()})
	switch {
	case err != nil:
		return fate{}, fmt.Errorf("ask for the server of %s: %w", vm.ID, err)
	case server == nil:
		return fate{what: endingRelease, why: "its server is gone"}, nil
	case server.Off:
		return fate{what: endingStart, why: "its server is off", start: func(ctx context.Context) error {
			return provider.StartVM(ctx, credential, server.ID)
		}}, nil
	}
	return fate{what: endingKeep, why: "it is silent, and its server runs"}, nil
}

// lost tells everybody, once, that work could not be saved, and lets the VM go.
func (o *Overdue) lost(ctx context.Context, vm dcm.VM) dcm.VM {
	o.Meter.Count(dcm.MetricWorkLost, 1)
	o.Log.ErrorContext(ctx, "released a VM whose last work could not be saved", "vm", vm.ID, "tenant", vm.TenantID)
	gone := true
	changed, err := o.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{
		From: []dcm.Status{dcm.StatusStopping}, Force: &gone,
		Error: &dcm.Problem{Code: dcm.ProblemWorkLost, Message: "the VM could not back up before its end; what changed since its last backup is lost"},
	})
	if err != nil {
		o.Log.ErrorContext(ctx, "the loss could not be recorded", "vm", vm.ID, "error", err)
		return vm
	}
	return changed
}

// PutOff gives an item that failed another time, so that it does not fail in
// every run before the ones behind it. One that was not tried comes before those
// that were.
func (o *Overdue) PutOff(ctx context.Context, due dcm.DueVM, cause error) error {
	vm, err := o.Store.Tenant(due.Tenant).VM(ctx, due.VM)
	if err != nil {
		return fmt.Errorf("read %s: %w", due.VM, err)
	}
	if !vm.Status.Active() || vm.DueAt.After(o.Clock.Now()) {
		// It is over, or has another time already.
		return nil
	}
	return o.putOff(ctx, vm, o.Clock.Now().Add(inTurn(dcm.ReleaseRetry, cause)))
}

// inTurn is how long an item waits that would wait so long if it had been tried.
func inTurn(wait time.Duration, cause error) time.Duration {
	if errors.Is(cause, dcm.ErrNotTried) {
		return wait / 2
	}
	return wait
}

func (o *Overdue) putOff(ctx context.Context, vm dcm.VM, due time.Time) error {
	_, err := o.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{
		From: []dcm.Status{vm.Status}, IfDueAt: &vm.DueAt, DueAt: &due,
	})
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("put off %s: %w", vm.ID, err)
	}
	return nil
}
