package dcm

import "time"

// OrphanKind says what was found without an owner.
type OrphanKind string

// The kinds.
const (
	OrphanServer    OrphanKind = "server"
	OrphanDNSRecord OrphanKind = "dns_record"
	OrphanUpload    OrphanKind = "upload"
)

// OrphanGrace is how old a thing must be before it can be taken for ownerless.
const OrphanGrace = 15 * time.Minute

// Orphan is a thing of ours that no live record owns, and the receipt for its
// deletion: it is noted before the deletion is asked for, and settled when the
// service, asked again, no longer knows the thing.
type Orphan struct {
	Kind   OrphanKind
	Tenant TenantID
	// Service is the provider's name, "cloudflare" or "s3"; AccountID the
	// account the thing was found in.
	Service   string
	AccountID AccountID
	// ExternalID is the service's id: of the server, the record, the upload.
	ExternalID string
	// Name is the server's or the record's, or the object's key.
	Name      string
	VM        VMID
	Workspace WorkspaceID
	// Why says in words for the tenant what made it an orphan.
	Why string
	// CreatedAt is when the service says that the thing came to be. With Kind
	// and ExternalID it names the receipt, so that noting it twice is once.
	CreatedAt time.Time
	// EndedAt is when its owner's record ended; CreatedAt where no record is
	// left to say so.
	EndedAt     time.Time
	FoundAt     time.Time
	ConfirmedAt *time.Time
	// Minutes is how long it outlived its owner, in whole minutes, rounded up.
	Minutes int
}

// OrphanMinutes is how long something outlived its owner until it was gone, in
// minutes, rounded up.
func OrphanMinutes(ended, gone time.Time) int {
	if !gone.After(ended) {
		return 0
	}
	return int((gone.Sub(ended) + time.Minute - 1) / time.Minute)
}

// OrphanQuery asks for one page of orphans, newest first.
type OrphanQuery struct {
	Limit  int
	Cursor string
}

// OrphanPage is one page. NextCursor is "" on the last one.
type OrphanPage struct {
	Items      []Orphan
	NextCursor string
}

// Receipt is what is known of a VM's deletion, kept in its record. It is made
// whole in the transaction that makes the VM stopped. A release that has to be
// put off before leaves what the next one could not find out any more: when it
// asked, and what it found under the VM's name.
type Receipt struct {
	// ServerID is empty if there never was a server.
	ServerID string
	// DNSRecordIDs were withdrawn.
	DNSRecordIDs []string
	// AskedAt is when the provider was first asked, as far as that is known, for
	// the server's deletion; for the server, if it never knew one.
	AskedAt time.Time
	// ConfirmedAt is when the provider, asked again, no longer knew the server;
	// zero while that is open, and for good if the VM was abandoned.
	ConfirmedAt time.Time
	// Usage is what was counted for the VM when it was made stopped.
	Usage []Usage
}
