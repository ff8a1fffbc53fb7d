package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Launcher creates VMs.
type Launcher struct {
	Common
	Rules     dcm.LaunchRules
	Quotas    dcm.Quotas
	Accounts  dcm.Accounts
	Providers map[string]dcm.Provider
	DNS       dcm.DNS
	Sealer    dcm.Sealer
	Tokens    dcm.Tokens
	Releaser  *Releaser
	// Image is the provider's name of the operating system image that servers
	// without a prepared one boot.
	Image  string
	Images dcm.Images
	// UserData renders what the server boots with.
	UserData func(ctx context.Context, b Boot) (dcm.Secret, error)
}

// Boot is what a server must know to become a VM.
type Boot struct {
	Agent        dcm.AgentConfig
	SSHPublicKey string
}

// Launched is a VM with its terminal password, which is shown this once.
type Launched struct {
	VM       dcm.VM
	Password dcm.Secret
}

// LaunchOrder is a request for a VM and who makes it.
type LaunchOrder struct {
	Principal      dcm.Principal
	Request        dcm.LaunchRequest
	IdempotencyKey string
	// APIURL is where the VM will reach the control plane.
	APIURL string
	Origin
}

// Launch creates a VM within dcm.LaunchBudget. What can't be created by then
// is undone and said. The same key and request answer the same VM; a launch that
// failed answers its failure until it is undone, and then frees its key: the same
// request is a new try. Errors: CodeInvalid, CodeNotFound (workspace),
// CodeConflict, CodeQuotaExceeded, CodeCapacityUnavailable, CodeProviderAuth,
// CodeProviderUnavailable, CodeRateLimited with RetryAfter.
func (l *Launcher) Launch(ctx context.Context, o LaunchOrder) (Launched, error) {
	launch, err := o.Request.Validate(l.Rules)
	if err != nil {
		return Launched{}, err
	}
	if err := dcm.CheckIdempotencyKey(o.IdempotencyKey); err != nil {
		return Launched{}, err
	}
	tenant := l.Store.Tenant(o.Principal.Tenant)
	known, err := tenant.LaunchContext(ctx, launch.WorkspaceID, o.IdempotencyKey)
	if err != nil {
		return Launched{}, fmt.Errorf("read what the launch depends on: %w", err)
	}
	hash, undone := requestHash(o.Request), dcm.VMID("")
	if known.Earlier != nil {
		vm, err := l.earlier(ctx, tenant, *known.Earlier, hash)
		if err != nil {
			return Launched{}, err
		}
		if !neverWas(vm) || vm.Status != dcm.StatusStopped {
			return l.replay(ctx, tenant, vm)
		}
		undone = vm.ID
	}
	p, err := l.plan(ctx, o, launch, known)
	if err != nil {
		return Launched{}, err
	}
	if o.IdempotencyKey != "" {
		p.intent.Idempotency = &dcm.Idempotency{
			Key: o.IdempotencyKey, BodyHash: hash, VM: p.intent.VM.ID,
			ExpiresAt: l.Clock.Now().Add(dcm.IdempotencyTTL),
		}
		p.intent.Undone = undone
	}
	switch err := tenant.CreateVM(ctx, p.intent); {
	case errors.Is(err, dcm.ErrIdempotencyTaken):
		return l.replayTaken(ctx, tenant, o.IdempotencyKey, hash)
	case errors.Is(err, dcm.ErrLostRace):
		return Launched{}, dcm.Errorf(dcm.CodeConflict, "the workspace changed while the VM was being created; try again").WithCause(err)
	case err != nil:
		return Launched{}, fmt.Errorf("write the intent to create %s: %w", p.intent.VM.ID, err)
	}
	vm, err := l.realise(ctx, p)
	if err != nil {
		l.Meter.Count(dcm.MetricLaunchFailed, 1)
		return Launched{}, err
	}
	l.Meter.Count(dcm.MetricVMsLaunched, 1)
	return Launched{VM: vm, Password: p.password}, nil
}

// realise turns a written intent into a server with a name, or undoes it.
func (l *Launcher) realise(ctx context.Context, p plan) (dcm.VM, error) {
	vm := p.intent.VM
	tenant := l.Store.Tenant(vm.TenantID)
	budget, cancel := context.WithTimeout(ctx, dcm.LaunchBudget)
	defer cancel()

	server, err := l.order(budget, p)
	if err != nil {
		return dcm.VM{}, l.undo(ctx, vm, p.accounts, err)
	}
	vm.ProviderID = server.ID
	ids, err := l.publish(budget, p, server)
	if err != nil {
		l.noteZone(ctx, p, err)
		return dcm.VM{}, l.undo(ctx, vm, p.accounts, err)
	}
	due := vm.CreatedAt.Add(dcm.BootDeadline)
	record := dcm.VMChange{
		From:         []dcm.Status{dcm.StatusCreating},
		Server:       facts(server),
		DNSRecordIDs: ids,
		DueAt:        &due,
	}
	changed, err := tenant.ChangeVM(ctx, vm.ID, record)
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		// Once more, whatever became of the request: a server is running.
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		changed, err = tenant.ChangeVM(again, vm.ID, record)
	}
	if errors.Is(err, dcm.ErrLostRace) {
		// Somebody ended the VM meanwhile. Its release waits for this launch,
		// because only the launch knew whether there would be a server.
		vm.DNS.RecordIDs = ids
		stopped := changed
		stopped.ProviderID, stopped.DNS = vm.ProviderID, vm.DNS
		l.finishUndo(ctx, stopped, p.accounts)
		return dcm.VM{}, dcm.Errorf(dcm.CodeConflict, "the VM was stopped while it was being created")
	}
	if err != nil {
		// The record still says "creating", without a server: sweep-vms finds
		// the server by its name at LaunchDeadline and releases it.
		return dcm.VM{}, fmt.Errorf("record the server of %s: %w", vm.ID, err)
	}
	return changed, nil
}

// publish gives the server its name. A provider that assigns the address later
// gets its record at bootstrap.
func (l *Launcher) publish(ctx context.Context, p plan, s dcm.Server) ([]string, error) {
	vm := p.intent.VM
	records := dcm.AddressRecords(vm.Hostname, s.IPv4, s.IPv6, dcm.DNSComment(l.Installation, vm.TenantID, vm.ID))
	if len(records) == 0 {
		return nil, nil
	}
	ids, err := l.DNS.Publish(ctx, p.zone, records)
	if dcm.KindOf(err) == dcm.KindUnavailable && ctx.Err() == nil {
		// Once more: what was published by a try whose answer was lost, is
		// found and adopted.
		ids, err = l.DNS.Publish(ctx, p.zone, records)
	}
	if dcm.KindOf(err) == dcm.KindUnavailable {
		err = &unsureError{err}
	}
	if err != nil {
		return nil, outsideError("the DNS service", err)
	}
	return ids, nil
}

// noteZone notes on the tenant's own zone why a name could not be published there.
func (l *Launcher) noteZone(ctx context.Context, p plan, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	l.tryNoteOwn(ctx, p.accounts, p.intent.VM.DNS.AccountID, "vms-create", cause)
}

func facts(s dcm.Server) *dcm.ServerFacts {
	return &dcm.ServerFacts{
		ProviderID: s.ID, ServerType: s.ServerType, Region: s.Location,
		IPv4: s.IPv4, IPv6: s.IPv6, Price: s.Price,
	}
}

// undo ends a VM whose launch failed, and returns the failure as the caller
// reads it.
func (l *Launcher) undo(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, failure error) error {
	problem := problemOf(failure)
	now := l.Clock.Now()
	due, certain := now, certainly(failure)
	if !certain {
		// What timed out may still come to be. Nobody may call it gone before
		// it had time to.
		due = vm.CreatedAt.Add(dcm.LaunchDeadline)
	}
	wait, limited := limitWait(failure)
	// Having ordered nothing because too much was asked of the provider, it is
	// not asked for more.
	limited = limited && vm.ProviderID == ""
	if later := now.Add(max(wait, dcm.ReleaseRetry)); limited && later.After(due) {
		due = later
	}
	status, reason := dcm.StatusStopping, dcm.StopCreateFailed
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	stopped, err := l.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{
		From:       []dcm.Status{dcm.StatusCreating},
		Status:     &status,
		StopReason: &reason,
		Error:      &problem,
		StoppingAt: &now,
		DueAt:      &due,
	})
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		l.Log.ErrorContext(ctx, "undo launch: the sweep must do it", "vm", vm.ID, "error", err)
		return failure
	}
	if certain && !limited {
		stopped.ProviderID = vm.ProviderID
		l.finishUndo(ctx, stopped, accounts)
	}
	return failure
}

// certainly reports whether the services said no, each time they were asked. A
// service that did not answer may have done what it was asked.
func certainly(failure error) bool {
	for err := failure; err != nil; {
		if _, unsure := err.(*unsureError); unsure {
			return false
		}
		err = errors.Unwrap(err)
	}
	return true
}

// recordTimeout bounds the second try to record a server.
const recordTimeout = 3 * time.Second

// undoTimeout keeps the undoing within API Gateway's 30 s.
const undoTimeout = 7 * time.Second

func (l *Launcher) finishUndo(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if vm.Status == dcm.StatusStopped {
		return
	}
	if _, err := l.Releaser.releaseLaunched(ctx, vm, accounts, nil); err != nil {
		l.Log.WarnContext(ctx, "undo launch: left to the sweep", "vm", vm.ID, "error", err)
	}
}

func requestHash(r dcm.LaunchRequest) string {
	// A struct of strings and integers always marshals.
	b, _ := json.Marshal(r)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func passwordContext(vm dcm.VM) dcm.SealContext {
	return dcm.SealContext{Tenant: vm.TenantID, Purpose: dcm.PurposeTerminalPassword, Resource: string(vm.ID)}
}
