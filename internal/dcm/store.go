package dcm

import (
	"context"
	"time"
)

// Store is the one table. A tenant's items are reached only through Tenant:
// no other method takes a tenant's key, so code that forgets the tenant does
// not compile.
type Store interface {
	Leases
	Tenant(TenantID) TenantStore
	// PlatformRate is the rate budget of the platform's account at a provider.
	PlatformRate(provider string) RateBucket
	// DueVMs returns up to limit VMs of one shard (0 ≤ shard < DueShards)
	// that are due at or before until, oldest first. The index behind it is
	// eventually consistent: re-check on the item before acting.
	DueVMs(ctx context.Context, shard int, until time.Time, limit int) ([]DueVM, error)
	// DueWorkspaces is the same for workspaces with a task.
	DueWorkspaces(ctx context.Context, shard int, until time.Time, limit int) ([]DueWorkspace, error)
	// DueTenants is the same for tenants whose settings changed in a way that
	// their workspaces or VMs must follow.
	DueTenants(ctx context.Context, shard int, until time.Time, limit int) ([]DueTenant, error)
	// DueReconciles is the same for tenants whose own accounts are to be looked
	// through for what has no owner.
	DueReconciles(ctx context.Context, shard int, until time.Time, limit int) ([]DueTenant, error)
	// DueOrphans is the same for orphans that were noted and not settled: whoever
	// was about to delete them did not come to the end.
	DueOrphans(ctx context.Context, shard int, until time.Time, limit int) ([]DueOrphan, error)
	// LiveVMs returns every VM of one shard that is not stopped, whenever it is
	// due: all pages, or an error. It is read from the index: re-check.
	LiveVMs(ctx context.Context, shard int) ([]DueVM, error)
}

// DueVM is a VM that a sweep should look at.
type DueVM struct {
	Tenant TenantID
	VM     VMID
	DueAt  time.Time
}

// DueWorkspace is a workspace that a sweep should look at.
type DueWorkspace struct {
	Tenant    TenantID
	Workspace WorkspaceID
	DueAt     time.Time
}

// ErrNotTried puts off an item of a tenant whose others keep failing.
var ErrNotTried = Errorf(CodeProviderUnavailable, "others of this tenant failed, so it was not tried")

// DueTenant is a tenant that a sweep should look at.
type DueTenant struct {
	Tenant TenantID
	DueAt  time.Time
}

// DueOrphan is a noted orphan that a sweep should carry on with.
type DueOrphan struct {
	Tenant TenantID
	Ref    OrphanRef
	DueAt  time.Time
}

// OrphanRef names a noted orphan of a tenant.
type OrphanRef string

// TenantStore reaches one tenant's items. What the tenant does not own
// answers CodeNotFound, exactly as what never existed.
type TenantStore interface {
	// LaunchContext reads in one call what a launch decides on. Pass "" for
	// what the request did not name. A named workspace that does not exist
	// is CodeNotFound; an idempotency key not yet used leaves Earlier nil.
	LaunchContext(ctx context.Context, w WorkspaceID, idempotencyKey string) (LaunchContext, error)
	// Accounts reads the profile and the tenant's own accounts in one call,
	// strongly consistent. A tenant without a profile has the defaults.
	Accounts(ctx context.Context) (TenantAccounts, error)
	// VMWithAccounts is VM and Accounts in one call. CodeNotFound.
	VMWithAccounts(ctx context.Context, id VMID) (VM, TenantAccounts, error)
	// ReleaseContext is VM and Accounts, with the platform's rate budgets, in one
	// call: what a release decides on. CodeNotFound.
	ReleaseContext(ctx context.Context, id VMID) (VM, TenantAccounts, error)
	// ChallengeContext reads in one call what a call for a VM's certificate decides
	// on. CodeNotFound.
	ChallengeContext(ctx context.Context, id VMID) (ChallengeContext, error)
	// CountChallenge counts a call for the VM's certificate, as ChallengeBook.Count
	// does, in one conditional write. known is the book as it was read; the one
	// that the call was added to is returned. CodeRateLimited, CodeConflict.
	CountChallenge(ctx context.Context, id VMID, known ChallengeBook, c ChallengeCall) (ChallengeBook, error)
	// KeyWithAccounts is WorkspaceKey and Accounts in one call. CodeNotFound.
	KeyWithAccounts(ctx context.Context, w WorkspaceID, version int) (WorkspaceKey, TenantAccounts, error)
	// WorkspaceWithAccounts is Workspace and Accounts in one call. CodeNotFound.
	WorkspaceWithAccounts(ctx context.Context, w WorkspaceID) (Workspace, TenantAccounts, error)
	// CreateVM writes the intent in one transaction: the VM, its quota slot,
	// its hold on the workspace, the idempotency key, and the tenant's profile
	// if this is the first write; the reserved cost, the count of the tenant's
	// own provider account, the month's usage and the audit event. All the
	// quotas are conditions of it. Errors: CodeQuotaExceeded with limit, use and
	// what counts; CodeConflict naming the VM that holds the workspace, or
	// saying that the workspace is being deleted; ErrIdempotencyTaken, unless the
	// key stands for i.Undone; ErrLostRace (also: the provider account is not the one named any more).
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
	// FinishVM makes a stopping VM stopped, with its receipt, frees its quota
	// slot and its hold on the workspace, settles its cost and usage, adds to the
	// audit log and, if DropWorkspace, deletes a workspace that this VM's launch
	// made and that was never backed up, in one transaction: it leaves one
	// receipt, and counts once. ErrLostRace if it is not stopping.
	FinishVM(ctx context.Context, f Finish) error

	// PutTenant changes what a tenant may change of its profile, creating it
	// if there is none, and returns it.
	PutTenant(ctx context.Context, c TenantChange) (Tenant, error)
	// SetQuotas is the platform's. With dueAt set, a sweep looks at the tenant.
	SetQuotas(ctx context.Context, q Quotas, defaults Quotas, at time.Time) (Tenant, error)
	// KeepAccountsKey makes k the tenant's accounts key if it has none, or if it
	// has the one that k replaces, and returns the one that it has then: of two
	// that are made at once, both get the same.
	KeepAccountsKey(ctx context.Context, k, replaces WrappedKey, at time.Time) (WrappedKey, error)
	// PutProviderAccount adds or replaces the account for a.Provider, if the one
	// there is still replaces ("" for none). With the id of the one it replaces
	// it is another token of the same account, and the count of its VMs stays.
	// With another id it is another account: no VM may depend on the one it
	// replaces. ErrLostRace.
	PutProviderAccount(ctx context.Context, a ProviderAccount, replaces AccountID) error
	// RemoveProviderAccount removes it if no VM depends on it. CodeNotFound;
	// ErrLostRace if a VM does.
	RemoveProviderAccount(ctx context.Context, provider string) error
	// AccountRate is the rate budget of the tenant's own account at a provider. It
	// ends with the account. CodeNotFound, from its methods, if there is no such
	// account any more.
	AccountRate(provider string, id AccountID) RateBucket
	// NoteProviderAccount notes what a check of the account found out.
	NoteProviderAccount(ctx context.Context, provider string, id AccountID, checkedAt time.Time, p *Problem) error
	// NoteAccount notes on a zone or a bucket what is wrong with it, or that nothing
	// is any more. ErrLostRace if it is gone, or has another secret by now.
	NoteAccount(ctx context.Context, n AccountNote) error
	// SetDNSAccount makes a the account for new VMs; nil for the platform's.
	// The one before stays readable until ForgetAccount. An account whose id is
	// there already is another token for the same zone, and replaces it. The
	// tenant becomes due at once, so that a sweep forgets what nobody needs.
	SetDNSAccount(ctx context.Context, a *DNSAccount, at time.Time) (Tenant, error)
	// SetStorageAccount makes a the account for new workspaces; nil for the
	// platform's. The one before stays readable until ForgetAccount. An account
	// whose id is there already is another key to the same bucket, and replaces
	// it. The tenant becomes due at once, so that a sweep moves its workspaces.
	SetStorageAccount(ctx context.Context, a *StorageAccount, at time.Time) (Tenant, error)
	// ForgetAccount drops a DNS or storage account that is not the current one.
	// ErrLostRace if it is.
	ForgetAccount(ctx context.Context, id AccountID) error
	// SettleTenant moves the tenant's due time; zero takes it out of the index.
	// ErrLostRace if it is not at from any more.
	SettleTenant(ctx context.Context, from, to time.Time) error
	// SettleReconcile moves the time at which the tenant's own accounts are
	// looked through next; zero for never, as it has none left. Each of the calls
	// above that adds an account sets it, if it is not set, before the account is
	// written. ErrLostRace if it is not at from any more.
	SettleReconcile(ctx context.Context, from, to time.Time) error

	// Workspaces lists one page, newest first. A cursor that isn't this
	// tenant's is CodeInvalid on field "cursor".
	Workspaces(ctx context.Context, q WorkspaceQuery) (WorkspacePage, error)
	// ChangeWorkspace makes one conditional write and returns the workspace as
	// it is afterwards; with ErrLostRace, as it is. CodeNotFound.
	ChangeWorkspace(ctx context.Context, id WorkspaceID, c WorkspaceChange) (Workspace, error)
	// ReplaceBackup swaps a workspace's backup for a copy of the same content,
	// under another key or at another place, in one conditional write, if no VM
	// holds the workspace, it has a task, and its backup is still from. The
	// task stays, so that a crash leaves on record what is to be cleaned up:
	// its Upload goes, and its Replaced becomes from. The workspace's StorageID
	// becomes to's, its Generation too. It adjusts the tenant's StorageBytes.
	// ErrLostRace.
	ReplaceBackup(ctx context.Context, w WorkspaceID, from, to Backup) error
	// RetireKeys deletes the key's versions below this one, if no VM holds the
	// workspace and its backup, if there is one, is encrypted with this version
	// or a newer one. ErrLostRace.
	RetireKeys(ctx context.Context, w WorkspaceID, below int) error
	// DropWorkspace deletes a workspace whose task is TaskDelete, its keys and
	// its share of StorageBytes, in one transaction. CodeNotFound; ErrLostRace.
	DropWorkspace(ctx context.Context, id WorkspaceID, at time.Time) error

	// NoteOrphan notes an orphan that is about to be deleted. Noting the same one
	// again changes nothing.
	NoteOrphan(ctx context.Context, o Orphan) error
	// Orphan reads a noted orphan, strongly consistent. CodeNotFound.
	Orphan(ctx context.Context, ref OrphanRef) (Orphan, error)
	// SettleOrphan adds to a noted orphan when it was gone, and for how many
	// minutes it outlived its owner, once: ErrLostRace if it is settled. In the
	// same transaction a server's minutes are added to the VM's OrphanMinutes, if
	// there is still a record of the VM and it is stopped. CodeNotFound.
	SettleOrphan(ctx context.Context, o Orphan) error
	// PutOffOrphan moves the time at which a noted orphan is due; zero takes it
	// out of the index. ErrLostRace if it is settled. CodeNotFound.
	PutOffOrphan(ctx context.Context, ref OrphanRef, to time.Time) error
	// Orphans lists one page, newest first. A cursor that isn't this tenant's is
	// CodeInvalid on field "cursor".
	Orphans(ctx context.Context, q OrphanQuery) (OrphanPage, error)
	// Usage reads one month's usage in one call.
	Usage(ctx context.Context, m Month) (MonthlyUsage, error)
	// AddEvent adds to the audit log.
	AddEvent(ctx context.Context, e Event) error
	// Events lists one page of the audit log, newest first.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
}

// LaunchContext is what a launch decides on.
type LaunchContext struct {
	// Accounts holds the profile, or one with defaults if none is stored yet.
	Accounts TenantAccounts
	// Workspace is the one named, nil if none was.
	Workspace *Workspace
	// Earlier is what the idempotency key already stands for.
	Earlier *Idempotency
}

// ChallengeContext is what a call for a VM's certificate decides on.
type ChallengeContext struct {
	VM       VM
	Accounts TenantAccounts
	Book     ChallengeBook
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
	// Undone is the stopped VM of a failed launch for which the key may still
	// stand: then the key is taken over. "" for none.
	Undone VMID
	// DefaultQuotas are written if the tenant has no profile yet.
	DefaultQuotas Quotas
	// Event is the audit event of the launch.
	Event Event
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
	// IfLastSeenAt, if set, must equal the VM's LastSeenAt.
	IfLastSeenAt *time.Time
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
	Boot       *BootTrace

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

	// Receipt is what a release that is put off leaves of its receipt. Of its
	// ids only those that the record does not have.
	Receipt *Receipt
}

// NoUpload, as VMChange.IfUpload or WorkspaceChange.IfUpload, asks that no
// backup is under way.
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
	// Provider and AccountID say whose account the server was in.
	Provider  string
	AccountID AccountID
	// Reserved is what admission reserved.
	Reserved Micros
	// Receipt stays in the record, and its Usage is counted.
	Receipt Receipt
	// Event, unless nil, is added to the audit log.
	Event *Event
}

// TenantChange is what a tenant may change of its profile. Nil fields stay.
type TenantChange struct {
	Name  *string
	Email *string
	Auth  *AuthConfig
	At    time.Time
	// DefaultQuotas are written if the tenant has no profile yet.
	DefaultQuotas Quotas
}

// WorkspaceQuery asks for one page of workspaces, newest first.
type WorkspaceQuery struct {
	Limit  int
	Cursor string
}

// WorkspacePage is one page. NextCursor is "" on the last one.
type WorkspacePage struct {
	Items      []Workspace
	NextCursor string
}

// WorkspaceChange is one conditional write on a workspace.
type WorkspaceChange struct {
	// IfFree asks that no VM holds it.
	IfFree bool
	// IfTask, if set, must be the kind of its task; NoTask for none.
	IfTask *TaskKind
	// IfUpload, if set, must be the upload of its task; NoUpload for none.
	IfUpload *BackupID
	// IfGeneration, if set, must be its generation.
	IfGeneration *int64
	// IfDueAt, if set, must equal its DueAt: nobody touched it since.
	IfDueAt *time.Time

	Task      *WorkspaceTask
	ClearTask bool
	// StorageID may change only while there is no backup.
	StorageID *AccountID
	// DueAt: zero takes it out of the index.
	DueAt     *time.Time
	UpdatedAt time.Time
}

// NoTask, as WorkspaceChange.IfTask, asks that there is no task.
const NoTask TaskKind = ""
