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
}

// Backup is one verified backup, as it lies in storage.
type Backup struct {
	ID BackupID
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
