package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// refused reports whether a step failed because the tenant's own account
// refuses its credential. Only the tenant can mend that.
func (s step) refused(err error) bool {
	return s.account != dcm.PlatformAccount && (dcm.KindOf(err) == dcm.KindAuth || dcm.ErrorCode(err) == dcm.CodeProviderAuth)
}

// tokenRefused says in the VM's record, and once in the audit log, that the
// tenant's account refuses the token. The VM is kept, and tried again, ever more
// seldom: the longer it takes, the less likely is the next try to work.
func (r *Releaser) tokenRefused(ctx context.Context, vm dcm.VM, receipt dcm.Receipt, s step, cause error) (dcm.VM, error) {
	r.Meter.Count(dcm.MetricReleasePending, 1)
	now := r.Clock.Now()
	due := now.Add(min(max(dcm.ReleaseRetry, now.Sub(stoppedAt(vm))/refusedBackoff), dcm.RefusedRetryMax))
	change := dcm.VMChange{From: []dcm.Status{dcm.StatusStopping}, DueAt: &due, Receipt: unrecorded(vm, receipt)}
	news := vm.Error == nil || vm.Error.Code != dcm.ProblemTokenRefused
	if news {
		change.Error = &dcm.Problem{Code: dcm.ProblemTokenRefused, Message: fmt.Sprintf(
			"the VM can't be released: %s refused your token, so that the %s can't be deleted; give a new token for the same account%s",
			s.where, s.what, earlier(vm.Error))}
	}
	changed, err := r.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, change)
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return vm, errors.Join(cause, fmt.Errorf("put off the release of %s: %w", vm.ID, err))
	}
	if err == nil && news {
		e, err := r.event(resourceOf(vm), dcm.ActorSystem, sweepVMs, Origin{}, s.where+" refused the tenant's token; the VM is kept")
		e.Result = string(dcm.CodeProviderAuth)
		r.note(ctx, vm.TenantID, e, err)
	}
	return changed, fmt.Errorf("release %s: %w", vm.ID, cause)
}

// earlier is what had failed before, which stays in the record.
func earlier(p *dcm.Problem) string {
	if p == nil {
		return ""
	}
	return "; before that: " + p.Message
}

// serverText names a VM's server as its owner finds it.
func serverText(vm dcm.VM) string {
	if vm.ProviderID == "" {
		return vm.ID.ServerName()
	}
	return vm.ProviderID
}

// refusedBackoff is how many tries there are, about, while the time since the
// stop doubles.
const refusedBackoff = 10

// Abandon ends the record of a VM that its tenant's own accounts no longer let
// us end: their tokens have been refused for dcm.StopGrace, and are still. It is
// the tenant's word that whatever may be left in its accounts is its own to
// delete. What can be taken away, is; the record says what was not confirmed,
// and sweep-orphans deletes it should the account ever be opened again.
// CodeConflict says why a VM can't be abandoned.
func (r *Releaser) Abandon(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) (dcm.VM, error) {
	if vm.Status == dcm.StatusStopped {
		return vm, nil
	}
	if err := r.mayAbandon(vm); err != nil {
		return vm, err
	}
	var left []string
	receipt := receiptOf(vm)
	for _, s := range r.steps(vm) {
		err := s.run(ctx, vm, accounts, &receipt)
		switch {
		case err == nil:
		case s.refused(err):
			left = append(left, s.what+" at "+s.where)
		default:
			vm, _ = r.putOff(ctx, vm, receipt, r.Clock.Now().Add(dcm.ReleaseRetry), err)
			return vm, dcm.Errorf(dcm.CodeConflict, "the VM can't be abandoned, since it can still be released: its release is tried again").WithCause(err)
		}
	}
	detail := "released"
	if len(left) > 0 {
		detail = "abandoned; not confirmed gone: " + strings.Join(left, ", ")
		problem := &dcm.Problem{Code: dcm.ProblemUnconfirmed, Message: detail + earlier(vm.Error)}
		if _, err := r.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{From: []dcm.Status{dcm.StatusStopping}, Error: problem}); err != nil {
			return vm, fmt.Errorf("note what %s leaves: %w", vm.ID, err)
		}
		vm.Error = problem
	}
	event, err := r.event(resourceOf(vm), dcm.ActorSystem, "vms-delete", Origin{}, detail)
	if err != nil {
		return vm, err
	}
	return r.finish(ctx, vm, receipt, &event)
}

// mayAbandon: a token may be refused for a while by mistake, so the VM is kept
// for some time; and nobody may give up what others pay for.
func (r *Releaser) mayAbandon(vm dcm.VM) error {
	switch left := stoppedAt(vm).Add(dcm.StopGrace).Sub(r.Clock.Now()); {
	case vm.Status != dcm.StatusStopping || vm.Error == nil || vm.Error.Code != dcm.ProblemTokenRefused:
		return dcm.Errorf(dcm.CodeConflict, "only a VM that can't be released because your own account refuses the token can be abandoned")
	case left > 0:
		return dcm.Errorf(dcm.CodeConflict, "the VM can be abandoned in %s; a new token for the same account ends it at once", left.Round(time.Minute))
	}
	return nil
}
