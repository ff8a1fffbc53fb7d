package lifecycle

import (
	"context"
	"errors"
	"fmt"

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
