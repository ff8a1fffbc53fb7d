package dcm

import (
	"context"
	"time"
)

// Store is the one table. A tenant's items are reached only through Tenant:
// no other method takes a tenant's key, so code that forgets the tenant does
// not compile.
type Store interface {
	Tenant(TenantID) TenantStore
	// DueVMs returns up to limit VMs of one shard (0 ≤ shard < DueShards)
	// that are due at or before until, oldest first. The index behind it is
	// eventually consistent: re-check on the item before acting.
	DueVMs(ctx context.Context, shard int, until time.Time, limit int) ([]DueVM, error)
}

// DueVM is a VM that a sweep should look at.
type DueVM struct {
	Tenant TenantID
	VM     VMID
	DueAt  time.Time
}

// TenantStore reaches one tenant's items. What the tenant does not own
// answers CodeNotFound, exactly as what never existed.
type TenantStore interface {
	// LaunchContext reads in one call what a launch decides on. Pass "" for
	// what the request did not name. A named workspace that does not exist
	// is CodeNotFound; an idempotency key not yet used leaves Earlier nil.
	LaunchContext(ctx context.Context, w WorkspaceID, idempotencyKey string) (LaunchContext, error)
	// CreateVM writes the intent in one transaction: the VM, its quota slot,
	// its hold on the workspace, the idempotency key, and the tenant's profile
	// if this is the first write. Errors: CodeQuotaExceeded with limit and
	// use, CodeConflict naming the VM that holds the workspace,
	// ErrIdempotencyTaken, ErrLostRace.
	CreateVM(ctx context.Context, i Intent) error
	// VM reads a VM, strongly consistent. CodeNotFound.
	VM(ctx context.Context, id VMID) (VM, error)
	// PeekVM reads a VM, eventually consistent, at half the price.
	PeekVM(ctx context.Context, id VMID) (VM, error)
	// VMs lists one page. A cursor that isn't this tenant's, or was made for
	// another filter, is CodeInvalid on field "cursor".
	VMs(ctx context.Context, q VMQuery) (VMPage, error)
	// Workspace reads a workspace, strongly consistent. CodeNotFound.
	Workspace(ctx context.Context, id WorkspaceID) (Workspace, error)
	// WorkspaceKey reads one version of a workspace's key. CodeNotFound.
	WorkspaceKey(ctx context.Context, w WorkspaceID, version int) (WorkspaceKey, error)
	// AddWorkspaceKey adds a key and makes it the workspace's newest, if the
	// workspace's key version is still key.Version-1. ErrLostRace.
	AddWorkspaceKey(ctx context.Context, key WorkspaceKey) error
	// ChangeVM makes one conditional write and returns the VM as it is
	// afterwards. If the condition does not hold it returns the VM as it is
	// and ErrLostRace. CodeNotFound.
	ChangeVM(ctx context.Context, id VMID, c VMChange) (VM, error)
	// BindBootstrap notes the public key that uses the VM's bootstrap token,
	// when it is the first, and returns the VM. ErrForeignKey if another key
	// came first; ErrLostRace if the VM is not creating or running any more.
	// CodeNotFound.
	BindBootstrap(ctx context.Context, id VMID, publicKey string, at time.Time) (VM, error)
	// AdvanceGeneration makes a verified backup the workspace's newest and
	// clears the VM's upload, in one transaction, if the workspace is still at
	// b.Generation-1 and the VM still holds it. ErrLostRace.
	AdvanceGeneration(ctx context.Context, vm VMID, w WorkspaceID, b Backup) error
	// FinishVM makes a stopping VM stopped, frees its quota slot and its hold
	// on the workspace and, if DropWorkspace, deletes a workspace that was
	// never backed up, in one transaction. ErrLostRace if it is not stopping.
	FinishVM(ctx context.Context, f Finish) error
}

// LaunchContext is what a launch decides on.
type LaunchContext struct {
	// Tenant is the profile, or one with defaults if none is stored yet.
	Tenant Tenant
	// Workspace is the one named, nil if none was.
	Workspace *Workspace
	// Earlier is what the idempotency key already stands for.
	Earlier *Idempotency
}

// Idempotency is what an Idempotency-Key stands for. BodyHash is the
// lower-case hex SHA-256 of the request.
type Idempotency struct {
	Key       string
	BodyHash  string
	VM        VMID
	ExpiresAt time.Time
}

// Intent is everything a launch writes before the provider is called.
type Intent struct {
	VM VM
	// Workspace is the workspace with ActiveVM already set to the VM.
	Workspace Workspace
	// NewWorkspace says that it must not exist yet. Otherwise it must exist
	// at Workspace.Generation, with no active VM.
	NewWorkspace bool
	// Idempotency is nil if the request carried no key.
	Idempotency *Idempotency
	// DefaultQuotas are written if the tenant has no profile yet.
	DefaultQuotas Quotas
}

// VMQuery asks for one page of VMs, newest first.
type VMQuery struct {
	Status    Status
	Workspace WorkspaceID
	Limit     int
	Cursor    string
}

// VMPage is one page. NextCursor is "" on the last one.
type VMPage struct {
	Items      []VM
	NextCursor string
}

// VMChange is one conditional write on a VM. Nil fields stay as they are.
type VMChange struct {
	// From lists the statuses it may start from; at least one.
	From []Status
	// IfDueAt, if set, must equal the VM's DueAt: nobody touched it since.
	IfDueAt *time.Time
	// IfProviderID says that the provider must have answered already.
	IfProviderID bool
	// IfUpload, if set, must be the backup under way; NoUpload for none.
	IfUpload *BackupID

	Status     *Status
	StopReason *StopReason
	Force      *bool
	Error      *Problem
	ClearError bool
	Phase      *Phase
	Runtime    *string

	Server       *ServerFacts
	DNSRecordIDs []string

	RunningAt    *time.Time
	LastSeenAt   *time.Time
	StoppingAt   *time.Time
	DueAt        *time.Time
	IdleSince    *time.Time
	ClearIdle    bool
	Signals      *Signals
	AgentVersion *string

	Upload      *Upload
	ClearUpload bool
}

// NoUpload, as VMChange.IfUpload, asks that no backup is under way.
const NoUpload BackupID = ""

// ServerFacts is what a provider answered.
type ServerFacts struct {
	ProviderID string
	ServerType string
	Region     string
	IPv4       string
	IPv6       string
	Price      *Price
}

// Finish ends a VM's record.
type Finish struct {
	VM            VMID
	Workspace     WorkspaceID
	At            time.Time
	DropWorkspace bool
}
