package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// replayTaken answers a request whose key was taken a moment ago.
func (l *Launcher) replayTaken(ctx context.Context, t dcm.TenantStore, key, hash string) (Launched, error) {
	known, err := t.LaunchContext(ctx, "", key)
	if err != nil {
		return Launched{}, fmt.Errorf("read the earlier request: %w", err)
	}
	if known.Earlier == nil {
		return Launched{}, dcm.Errorf(dcm.CodeConflict, "the Idempotency-Key is in use; try again")
	}
	vm, err := l.earlier(ctx, t, *known.Earlier, hash)
	if err != nil {
		return Launched{}, err
	}
	return l.replay(ctx, t, vm)
}

// earlier is the VM that the key of this request stands for already.
func (l *Launcher) earlier(ctx context.Context, t dcm.TenantStore, earlier dcm.Idempotency, hash string) (dcm.VM, error) {
	if earlier.BodyHash != hash {
		return dcm.VM{}, dcm.Errorf(dcm.CodeConflict, "the Idempotency-Key was used for another request")
	}
	vm, err := t.VM(ctx, earlier.VM)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("read the earlier VM %s: %w", earlier.VM, err)
	}
	return vm, nil
}

// neverWas reports whether a VM never was anybody's, though its server may have
// begun to boot: its launch failed. Once it is stopped, nothing is left of it, and
// its slot and its workspace are free, by one transaction; so is its key.
func neverWas(vm dcm.VM) bool {
	return vm.StopReason == dcm.StopCreateFailed && vm.ProviderID == "" && vm.Error != nil
}

// replay answers as the earlier request was answered, whose VM this is.
func (l *Launcher) replay(ctx context.Context, t dcm.TenantStore, vm dcm.VM) (Launched, error) {
	if neverWas(vm) {
		return Launched{}, l.failedBefore(vm)
	}
	vm, err := l.awaitServer(ctx, t, vm)
	if err != nil {
		return Launched{}, err
	}
	password, err := l.Sealer.Open(ctx, passwordContext(vm), vm.Password)
	if err != nil {
		return Launched{}, fmt.Errorf("open the terminal password of %s: %w", vm.ID, err)
	}
	return Launched{VM: vm, Password: password}, nil
}

// awaitServer waits for the launch that is still under way, and gives nobody a
// VM whose launch was abandoned: it will be released with whatever is in it.
func (l *Launcher) awaitServer(ctx context.Context, t dcm.TenantStore, vm dcm.VM) (dcm.VM, error) {
	for range replayTries {
		if vm.Status != dcm.StatusCreating || vm.ProviderID != "" {
			return vm, nil
		}
		if err := dcm.Sleep(ctx, replayPause); err != nil {
			return vm, err
		}
		var err error
		if vm, err = t.VM(ctx, vm.ID); err != nil {
			return vm, fmt.Errorf("read the earlier VM %s: %w", vm.ID, err)
		}
	}
	return vm, dcm.Errorf(dcm.CodeConflict, "the earlier request with this Idempotency-Key has not come to an end; try again later")
}

// A replay waits as long as a launch may take.
const (
	replayPause = 250 * time.Millisecond
	replayTries = int(dcm.LaunchBudget / replayPause)
)

// failedBefore is the failure of an earlier launch. While that is being undone it
// says when it will be, and another try is worth it.
func (l *Launcher) failedBefore(vm dcm.VM) error {
	e := dcm.Errorf(replayCode(vm.Error.Code), "%s", vm.Error.Message)
	if vm.Status != dcm.StatusStopped {
		e.RetryAfter = l.undoneIn(vm)
	}
	return e
}

// undoneIn is in how long the sweep, which looks every minute, will have undone a
// launch, if nothing is in its way.
func (l *Launcher) undoneIn(vm dcm.VM) time.Duration {
	due := vm.CreatedAt.Add(dcm.LaunchDeadline)
	if vm.DueAt.After(due) {
		due = vm.DueAt
	}
	return max(due.Sub(l.Clock.Now()), 0) + dcm.ReleaseRetry
}

// replayCode is the code a failed launch was answered with.
func replayCode(code string) dcm.Code {
	switch c := dcm.Code(code); c {
	case dcm.CodeCapacityUnavailable, dcm.CodeProviderAuth, dcm.CodeProviderUnavailable, dcm.CodeRateLimited:
		return c
	default:
		return dcm.CodeProviderUnavailable
	}
}
