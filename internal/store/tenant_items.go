package store

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

const (
	attrExpiresAt    = "expiresAt"
	attrIdempotentVM = "vm"
)

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
