package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// storagePatience is how long an abandoned VM's storage has to answer: one that
// swallows what it is sent must not outlast the request.
const storagePatience = 8 * time.Second

// Abandon ends the record of a VM that its tenant's own accounts no longer let
// us end: dcm.StopGrace after its stop their tokens are still refused, or its
// storage still fails. It is the tenant's word that whatever may be left in its
// accounts is its own to delete. What can be taken away, is; the record says what
// was not confirmed, and sweep-orphans deletes it should the account ever be
// opened again. CodeConflict says why a VM can't be abandoned.
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
		err := s.try(ctx, vm, accounts, &receipt)
		switch {
		case err == nil:
		case saidRefused(vm) && s.refused(err), s.fails(err):
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

// mayAbandon: a token may be refused, or a storage fail, for a while by mistake,
// so the VM is kept for some time; and nobody may give up what others pay for.
func (r *Releaser) mayAbandon(vm dcm.VM) error {
	now, asked := r.Clock.Now(), receiptOf(vm).AskedAt
	switch left := stoppedAt(vm).Add(dcm.StopGrace).Sub(now); {
	case vm.Status != dcm.StatusStopping || !saidRefused(vm) && !ownUpload(vm):
		return dcm.Errorf(dcm.CodeConflict, "only a VM that can't be released because your own account refuses the token, or your own storage fails, can be abandoned")
	case left > 0:
		return dcm.Errorf(dcm.CodeConflict, "the VM can be abandoned in %s; an account of yours that can be used again ends it at once", left.Round(time.Minute))
	case !saidRefused(vm) && (asked.IsZero() || now.Sub(asked) < dcm.RefusedRetryMax):
		// What fails now may have failed for a minute only.
		return dcm.Errorf(dcm.CodeConflict, "the VM can't be abandoned, since its release has only just begun: it is tried again")
	}
	return nil
}

// saidRefused reports whether the record says that an account of the tenant's own
// refuses its token.
func saidRefused(vm dcm.VM) bool { return vm.Error != nil && vm.Error.Code == dcm.ProblemTokenRefused }

// ownUpload reports whether a backup is unfinished in a storage of the tenant's own.
func ownUpload(vm dcm.VM) bool { return vm.Upload != nil && vm.StorageID != dcm.PlatformAccount }

// try runs a step; one at a storage, for as long as a storage may take.
func (s step) try(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, receipt *dcm.Receipt) error {
	if s.storage {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, storagePatience)
		defer cancel()
	}
	return s.run(ctx, vm, accounts, receipt)
}

// fails reports whether a step failed at a storage of the tenant's own. That of
// a server or a record never counts: they cost money, or lead somewhere. Nor does
// a storage that asks to wait, or a failure of ours.
func (s step) fails(err error) bool {
	e, outside := errors.AsType[*dcm.ProviderError](err)
	return s.storage && s.account != dcm.PlatformAccount && (s.refused(err) || outside && e.Kind != dcm.KindRateLimited)
}
