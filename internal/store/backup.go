package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// AdvanceGeneration is one transaction on the workspace, the VM and the
// tenant's storage, after one read: by how much the storage grows depends on the
// backup that is replaced. Nothing but the VM that holds the workspace can
// replace it in between.
func (t *tenantStore) AdvanceGeneration(ctx context.Context, vm dcm.VMID, w dcm.WorkspaceID, b dcm.Backup) error {
	if !vm.Valid() {
		return noVM()
	}
	if !w.Valid() {
		return noWorkspace()
	}
	old, err := t.readWorkspace(ctx, w)
	if err != nil {
		return err
	}
	held := equals(attrActiveVM, string(vm)).And(equals(attrGeneration, b.Generation-1))
	advance := expression.Set(expression.Name(attrGeneration), expression.Value(b.Generation)).
		Set(expression.Name(attrBackup), expression.Value(itemOfBackup(&b))).
		Set(expression.Name(attrUpdatedAt), expression.Value(instantOf(b.TakenAt)))
	known := exists()
	wrote := expression.Set(expression.Name(attrGeneration), expression.Value(b.Generation)).
		Remove(expression.Name(attrUpload))
	writes := []write{
		{
			key: workspaceKey(t.id, w), update: &advance, condition: &held,
			refused: orMissing(noWorkspace, "the workspace is at another generation or held by another VM"),
		},
		{
			key: vmKey(t.id, vm), update: &wrote, condition: &known,
			refused: orMissing(noVM, "the VM changed"),
		},
	}
	err = t.transact(ctx, append(writes, t.stored(b.SizeBytes-old.Backup.size(), b.TakenAt)...)...)
	if err != nil {
		return fmt.Errorf("advance workspace %s to generation %d: %w", w, b.Generation, err)
	}
	return nil
}

// ReplaceBackup is one transaction on the workspace and the tenant's storage.
func (t *tenantStore) ReplaceBackup(ctx context.Context, w dcm.WorkspaceID, from, to dcm.Backup) error {
	if !w.Valid() {
		return noWorkspace()
	}
	now := t.options.Clock.Now()
	unchanged := absent(attrActiveVM).
		And(expression.Name(attrTask).AttributeExists()).
		And(hasBackup(&from)).
		And(equals(attrGeneration, from.Generation))
	var e edit
	e.set(attrBackup, itemOfBackup(&to))
	e.set(attrGeneration, to.Generation)
	e.set(attrUpdatedAt, instantOf(now))
	e.setOrRemove(attrStorageID, string(to.StorageID))
	e.remove(attrTaskUpload)
	e.set(attrReplaced, itemOfBackup(&from))
	replace := write{
		key: workspaceKey(t.id, w), update: &e.UpdateBuilder, condition: &unchanged,
		refused: orMissing(noWorkspace, "the workspace is held by a VM, has no task or another backup"),
	}
	err := t.transact(ctx, append([]write{replace}, t.stored(to.SizeBytes-from.SizeBytes, now)...)...)
	if err != nil {
		return fmt.Errorf("replace backup of workspace %s: %w", w, err)
	}
	return nil
}

// hasBackup is the condition that a workspace's backup is this very object; of
// nil, that there is none.
func hasBackup(b *dcm.Backup) expression.ConditionBuilder {
	if b == nil {
		return absent(attrBackup)
	}
	return equals(attrBackup+".id", string(b.ID)).
		And(equals(attrBackup+".key", b.Key)).
		And(equals(attrBackup+".versionId", b.VersionID)).
		And(equals(attrBackup+".sizeBytes", b.SizeBytes)).
		And(equalsOrAbsent(attrBackup+".storageId", string(b.StorageID)))
}

// AddWorkspaceKey is one transaction on the key and the workspace.
func (t *tenantStore) AddWorkspaceKey(ctx context.Context, k dcm.WorkspaceKey) error {
	if !k.WorkspaceID.Valid() {
		return noWorkspace()
	}
	if k.Version < 1 {
		return fmt.Errorf("add key to workspace %s: version %d", k.WorkspaceID, k.Version)
	}
	previous := equals(attrKeyVersion, k.Version-1)
	newest := expression.Set(expression.Name(attrKeyVersion), expression.Value(k.Version)).
		Set(expression.Name(attrRecipient), expression.Value(k.Recipient)).
		Set(expression.Name(attrUpdatedAt), expression.Value(instantOf(k.CreatedAt)))
	isNew := absent(attrPK)
	err := t.transact(ctx,
		write{
			key: workspaceKey(t.id, k.WorkspaceID), update: &newest, condition: &previous,
			refused: orMissing(noWorkspace, "the workspace has another key version"),
		},
		write{
			put: itemOfWorkspaceKey(t.id, k), condition: &isNew,
			refused: orMissing(noWorkspace, "the key exists already"),
		},
	)
	if err != nil {
		return fmt.Errorf("add key %d to workspace %s: %w", k.Version, k.WorkspaceID, err)
	}
	return nil
}

// orMissing tells an item that does not exist from one that lost a race.
func orMissing(missing func() error, lost string) func(map[string]types.AttributeValue) error {
	return func(current map[string]types.AttributeValue) error {
		if len(current) == 0 {
			return missing()
		}
		return fmt.Errorf("%s: %w", lost, dcm.ErrLostRace)
	}
}
