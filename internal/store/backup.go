package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// AdvanceGeneration is one transaction on the workspace and the VM.
func (t *tenantStore) AdvanceGeneration(ctx context.Context, vm dcm.VMID, w dcm.WorkspaceID, b dcm.Backup) error {
	if !vm.Valid() {
		return noVM()
	}
	if !w.Valid() {
		return noWorkspace()
	}
	held := equals(attrActiveVM, string(vm)).And(equals(attrGeneration, b.Generation-1))
	advance := expression.Set(expression.Name(attrGeneration), expression.Value(b.Generation)).
		Set(expression.Name(attrBackup), expression.Value(itemOfBackup(&b))).
		Set(expression.Name(attrUpdatedAt), expression.Value(instantOf(b.TakenAt)))
	exists := expression.Name(attrPK).AttributeExists()
	wrote := expression.Set(expression.Name(attrGeneration), expression.Value(b.Generation)).
		Remove(expression.Name(attrUpload))
	err := t.transact(ctx,
		write{
			key: workspaceKey(t.id, w), update: &advance, condition: &held,
			refused: orMissing(noWorkspace, "the workspace is at another generation or held by another VM"),
		},
		write{
			key: vmKey(t.id, vm), update: &wrote, condition: &exists,
			refused: orMissing(noVM, "the VM changed"),
		},
	)
	if err != nil {
		return fmt.Errorf("advance workspace %s to generation %d: %w", w, b.Generation, err)
	}
	return nil
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
