package dcm

import "time"

// Size is what a user asks for; an installation's configuration says which
// server types it means.
type Size string

// The sizes.
const (
	SizeSmall  Size = "small"
	SizeMedium Size = "medium"
	SizeLarge  Size = "large"
)

// Sizes lists every size.
var Sizes = []Size{SizeSmall, SizeMedium, SizeLarge}

// VM is the record of one machine.
type VM struct {
	ID          VMID
	TenantID    TenantID
	WorkspaceID WorkspaceID
	Name        string
	RepoURL     string
	Branch      string
	Size        Size
	Labels      map[string]string
	CreatedBy   UserID

	Provider string
	// AccountID is the account that pays for the server, StorageID the one that
	// takes its backups. A VM keeps both until it ends.
	AccountID AccountID
	StorageID AccountID
	// Reserved is what admission reserved for it of a monthly limit.
	Reserved Micros
	// Region, ServerType, ProviderID and Price are empty until the provider
	// answered.
	Region     string
	ServerType string
	ProviderID string
	Price      *Price
	IPv4       string
	IPv6       string

	Hostname string
	// DNS is where the VM's records were published. A VM keeps it until it
	// ends, so that a tenant's change of settings never strands a record.
	DNS DNSPlacement

	Status     Status
	StopReason StopReason
	// Force says that the release need not wait for a backup: the user said
	// that the work may go, or the agent said that it is saved.
	Force bool
	// Error is what failed, in words for the user.
	Error *Problem
	Phase Phase
	// Runtime is "devcontainer" or "host", as the agent reported.
	Runtime string
	// Boot is how its boot went; nil until the agent said so.
	Boot *BootTrace

	CreatedAt      time.Time
	BootstrappedAt *time.Time
	RunningAt      *time.Time
	LastSeenAt     *time.Time
	StoppingAt     *time.Time
	StoppedAt      *time.Time
	ExpiresAt      time.Time
	// DueAt is when a sweep looks at the VM next; zero once stopped.
	DueAt time.Time

	IdleTimeout time.Duration
	IdleSince   *time.Time
	Signals     Signals
	// AgentVersion is what the agent last reported.
	AgentVersion string

	// BoundKey is the public key that first used the bootstrap token.
	BoundKey string
	// Password is the sealed terminal password.
	Password Sealed
	// SSHPublicKey is the user's key, empty for none. It goes into user-data
	// and is not stored: a record that long would double a heartbeat's price.
	SSHPublicKey string

	// Restore is the backup this VM starts from; nil for a fresh clone.
	Restore *Backup
	// Generation is the workspace generation this VM last restored or wrote.
	Generation int64
	// Upload is the backup under way; nil when there is none.
	Upload *Upload

	// Receipt is what is known of the deletion; nil until it was asked for.
	Receipt *Receipt
	// OrphanMinutes is for how long a server of the VM existed after StoppedAt.
	OrphanMinutes int
}

// Upload is a backup that has been started and not yet acknowledged.
type Upload struct {
	BackupID       BackupID
	UploadID       string
	FromGeneration int64
	KeyVersion     int
	StartedAt      time.Time
	// Expected is set before the upload is completed, so that a crash after
	// completion can still be told from a crash before it.
	Expected *UploadExpectation
}

// UploadExpectation is what a completed upload must turn out to be.
type UploadExpectation struct {
	SizeBytes int64
	SHA256    string
}

// Problem is a failure as a user reads it in a record.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Price is what a server costs. Hourly is a decimal number.
type Price struct {
	Hourly   string
	Currency string
}

// Signals are the five signs of work, each with its last time; nil for never.
type Signals struct {
	Terminal *time.Time `json:"terminal"`
	HTTP     *time.Time `json:"http"`
	SSH      *time.Time `json:"ssh"`
	Files    *time.Time `json:"files"`
	CPU      *time.Time `json:"cpu"`
}

// Latest returns the newest of the signals, or nil if none was ever seen.
func (s Signals) Latest() *time.Time {
	var latest *time.Time
	for _, t := range []*time.Time{s.Terminal, s.HTTP, s.SSH, s.Files, s.CPU} {
		if t != nil && (latest == nil || t.After(*latest)) {
			latest = t
		}
	}
	return latest
}

// Labels that every server carries.
const (
	LabelManagedBy    = "managed-by"
	LabelInstallation = "installation"
	LabelTenant       = "tenant-id"
	LabelWorkspace    = "workspace-id"
	LabelVM           = "vm-id"
	LabelExpiresAt    = "expires-at"

	ManagedBy = "devcontainer-manager"
)

// ServerLabels are the labels of the VM's server. ExpiresAt is in epoch
// seconds: providers allow no colon in a label's value.
func (v VM) ServerLabels(installation string) map[string]string {
	return map[string]string{
		LabelManagedBy:    ManagedBy,
		LabelInstallation: installation,
		LabelTenant:       string(v.TenantID),
		LabelWorkspace:    string(v.WorkspaceID),
		LabelVM:           string(v.ID),
		LabelExpiresAt:    epochText(v.ExpiresAt),
	}
}

// OwnsServer reports whether a server with these labels belongs to this very
// VM of this installation. Nothing else may be adopted or deleted for it.
func (v VM) OwnsServer(installation string, labels map[string]string) bool {
	return labels[LabelManagedBy] == ManagedBy &&
		labels[LabelInstallation] == installation &&
		labels[LabelTenant] == string(v.TenantID) &&
		labels[LabelVM] == string(v.ID)
}
