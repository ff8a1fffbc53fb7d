package store

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

// Attributes of the items below that expressions name.
const (
	attrActiveVMs  = "activeVMs"
	attrMaxVMs     = "maxConcurrentVMs"
	attrActiveVM   = "activeVM"
	attrKeyVersion = "keyVersion"
	attrRecipient  = "recipient"
	attrBackup     = "backup"
	attrUpdatedAt  = "updatedAt"
	attrExpiresAt  = "expiresAt"
)

type profileItem struct {
	key
	CreatedAt        instant `dynamodbav:"createdAt"`
	MaxConcurrentVMs int     `dynamodbav:"maxConcurrentVMs"`
	ActiveVMs        int     `dynamodbav:"activeVMs"`
}

func (i profileItem) tenant(id dcm.TenantID) dcm.Tenant {
	return dcm.Tenant{
		ID: id, CreatedAt: i.CreatedAt.time(), ActiveVMs: i.ActiveVMs,
		Quotas: dcm.Quotas{MaxConcurrentVMs: i.MaxConcurrentVMs},
	}
}

type workspaceItem struct {
	key
	ID         string      `dynamodbav:"id"`
	RepoURL    string      `dynamodbav:"repoUrl,omitempty"`
	Branch     string      `dynamodbav:"branch,omitempty"`
	CreatedAt  instant     `dynamodbav:"createdAt"`
	UpdatedAt  instant     `dynamodbav:"updatedAt"`
	ActiveVM   string      `dynamodbav:"activeVM,omitempty"`
	CreatedBy  string      `dynamodbav:"createdBy,omitempty"`
	Generation int64       `dynamodbav:"generation"`
	Backup     *backupItem `dynamodbav:"backup,omitempty"`
	KeyVersion int         `dynamodbav:"keyVersion"`
	Recipient  string      `dynamodbav:"recipient,omitempty"`
}

func itemOfWorkspace(w dcm.Workspace) workspaceItem {
	return workspaceItem{
		key: workspaceKey(w.TenantID, w.ID), ID: string(w.ID), RepoURL: w.RepoURL, Branch: w.Branch,
		CreatedAt: instantOf(w.CreatedAt), UpdatedAt: instantOf(w.UpdatedAt),
		ActiveVM: string(w.ActiveVM), CreatedBy: string(w.CreatedBy),
		Generation: w.Generation, Backup: itemOfBackup(w.Backup), KeyVersion: w.KeyVersion, Recipient: w.Recipient,
	}
}

func (i workspaceItem) workspace(t dcm.TenantID) dcm.Workspace {
	return dcm.Workspace{
		ID: dcm.WorkspaceID(i.ID), TenantID: t, RepoURL: i.RepoURL, Branch: i.Branch,
		CreatedAt: i.CreatedAt.time(), UpdatedAt: i.UpdatedAt.time(),
		ActiveVM: dcm.VMID(i.ActiveVM), CreatedBy: dcm.VMID(i.CreatedBy),
		Generation: i.Generation, Backup: i.Backup.backup(), KeyVersion: i.KeyVersion, Recipient: i.Recipient,
	}
}

type workspaceKeyItem struct {
	key
	WorkspaceID string  `dynamodbav:"workspaceId"`
	Version     int     `dynamodbav:"version"`
	Recipient   string  `dynamodbav:"recipient"`
	Sealed      []byte  `dynamodbav:"sealed"`
	CreatedAt   instant `dynamodbav:"createdAt"`
}

func itemOfWorkspaceKey(t dcm.TenantID, k dcm.WorkspaceKey) workspaceKeyItem {
	return workspaceKeyItem{
		key:         workspaceKeyKey(t, k.WorkspaceID, k.Version),
		WorkspaceID: string(k.WorkspaceID), Version: k.Version, Recipient: k.Recipient,
		Sealed: k.Sealed, CreatedAt: instantOf(k.CreatedAt),
	}
}

func (i workspaceKeyItem) workspaceKey() dcm.WorkspaceKey {
	return dcm.WorkspaceKey{
		WorkspaceID: dcm.WorkspaceID(i.WorkspaceID), Version: i.Version, Recipient: i.Recipient,
		Sealed: i.Sealed, CreatedAt: i.CreatedAt.time(),
	}
}

type idempotencyItem struct {
	key
	Key       string  `dynamodbav:"key"`
	BodyHash  string  `dynamodbav:"bodyHash"`
	VM        string  `dynamodbav:"vm"`
	ExpiresAt instant `dynamodbav:"expiresAt"`
	TTL       int64   `dynamodbav:"ttl"`
}

func itemOfIdempotency(t dcm.TenantID, i dcm.Idempotency) idempotencyItem {
	return idempotencyItem{
		key: idempotencyKey(t, i.Key), Key: i.Key, BodyHash: i.BodyHash, VM: string(i.VM),
		ExpiresAt: instantOf(i.ExpiresAt), TTL: epochSeconds(i.ExpiresAt),
	}
}

func (i idempotencyItem) idempotency() *dcm.Idempotency {
	return &dcm.Idempotency{Key: i.Key, BodyHash: i.BodyHash, VM: dcm.VMID(i.VM), ExpiresAt: i.ExpiresAt.time()}
}
