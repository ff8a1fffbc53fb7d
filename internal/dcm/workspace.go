package dcm

import "time"

// Workspace is the durable thing: a repository, its backup and its key.
type Workspace struct {
	ID        WorkspaceID
	TenantID  TenantID
	RepoURL   string
	Branch    string
	CreatedAt time.Time
	UpdatedAt time.Time
	// ActiveVM is the one VM that may write this workspace's backup; empty
	// when none is active.
	ActiveVM VMID
	// CreatedBy is the VM whose launch made the workspace.
	CreatedBy VMID
	// Generation counts verified backups. It moves only by one conditional
	// write, from the generation the VM restored.
	Generation int64
	// Backup is the newest verified backup; nil while Generation is 0.
	Backup *Backup
	// KeyVersion is the newest key's version, 0 before the first bootstrap.
	KeyVersion int
	// Recipient is the age recipient of the newest key. It is public.
	Recipient string
	// StorageID is the account whose bucket this workspace's backups go to.
	StorageID AccountID
	// Task is what is still to be done to the workspace; nil for nothing.
	Task *WorkspaceTask
	// DueAt is when a sweep looks at the workspace next; zero for never.
	DueAt time.Time
}

// TaskKind is what is to be done to a workspace.
type TaskKind string

// The kinds. A workspace has at most one task at a time; deleting replaces any
// other.
const (
	// TaskRotate re-encrypts the backup to the newest key.
	TaskRotate TaskKind = "rotate"
	// TaskMove copies the backup to the tenant's current storage.
	TaskMove TaskKind = "move"
	// TaskDelete deletes the backup, its keys and the workspace.
	TaskDelete TaskKind = "delete"
)

// WorkspaceTask is work that outlives a request. What it has begun outside is
// noted before the next step, so that any crash leaves it able to go on.
type WorkspaceTask struct {
	Kind TaskKind
	// Target is the storage to move to.
	Target AccountID
	// KeyVersion is the version that the key is to have, at least.
	KeyVersion int
	Since      time.Time
	Attempt    int
	// Upload is the copy under way; nil when there is none. It is noted before
	// the upload is started, so it has no UploadID.
	Upload *Upload
	// Replaced is the backup that a copy took the place of, and that is still
	// to be cleaned up; nil for none.
	Replaced *Backup
	// Problem is why the last attempt failed; nil if none has.
	Problem *Problem
}

// Backup is one verified backup, as it lies in storage.
type Backup struct {
	ID BackupID
	// StorageID is the account whose bucket holds it.
	StorageID AccountID
	// Key is the object's key, VersionID the exact version of it: the
	// object's newest version may be an upload nobody acknowledged.
	Key       string
	VersionID string
	// SizeBytes and SHA256 (lower-case hex) are of the encrypted object.
	SizeBytes  int64
	SHA256     string
	KeyVersion int
	Generation int64
	TakenAt    time.Time
}

// BackupKey is the key of a workspace's backup in its bucket.
func BackupKey(t TenantID, w WorkspaceID) string {
	return string(t) + "/" + string(w) + "/workspace.tar.gz.enc"
}

// BackupCopyKey is where a re-encrypted backup lies for a moment, in a bucket
// without versions: there, a copy under the backup's key would take its place
// before the record says so.
func BackupCopyKey(t TenantID, w WorkspaceID) string {
	return string(t) + "/" + string(w) + "/reencrypted.tar.gz.enc"
}

// BackupMetadataKey is the key of the description beside the backup.
func BackupMetadataKey(t TenantID, w WorkspaceID) string {
	return string(t) + "/" + string(w) + "/metadata.json"
}

// WorkspaceKey is one version of a workspace's age identity, sealed.
type WorkspaceKey struct {
	WorkspaceID WorkspaceID
	Version     int
	Recipient   string
	Sealed      Sealed
	CreatedAt   time.Time
}
