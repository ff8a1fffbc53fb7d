package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// FinishVM is one transaction. With DropWorkspace the workspace's key goes with
// it. Should the workspace turn out to have been backed up, it is kept, and
// should it have more keys than one, they all go: either costs a second
// transaction.
func (t *tenantStore) FinishVM(ctx context.Context, f dcm.Finish) error {
	if !f.VM.Valid() {
		return noVM()
	}
	if !f.Workspace.Valid() {
		return noWorkspace()
	}
	err := t.finish(ctx, f, 1)
	if other, ok := errors.AsType[*otherWorkspace](err); ok {
		f.DropWorkspace = !other.backedUp
		err = t.finish(ctx, f, other.keyVersion)
	}
	if err != nil {
		return fmt.Errorf("finish VM %s: %w", f.VM, err)
	}
	return nil
}

func (t *tenantStore) finish(ctx context.Context, f dcm.Finish, keyVersions int) error {
	writes := []write{t.stop(f)}
	if f.DropWorkspace {
		writes = append(writes, t.drop(f, keyVersions))
		for version := 1; version <= keyVersions; version++ {
			writes = append(writes, write{key: workspaceKeyKey(t.id, f.Workspace, version)})
		}
	} else {
		writes = append(writes, t.letGo(f))
	}
	return t.transact(ctx, append(writes, t.freeSlot())...)
}

func (t *tenantStore) stop(f dcm.Finish) write {
	stopping := equals(attrStatus, string(dcm.StatusStopping)).And(equals(attrWorkspaceID, string(f.Workspace)))
	var e edit
	e.set(attrStatus, string(dcm.StatusStopped))
	e.setTime(attrStoppedAt, &f.At)
	e.set(attrTTL, epochSeconds(f.At.Add(dcm.StoppedTTL)))
	e.remove(attrDueKind)
	e.remove(attrDueAt)
	return write{
		key: vmKey(t.id, f.VM), update: &e.UpdateBuilder, condition: &stopping,
		refused: orMissing(noVM, "the VM is not stopping"),
	}
}

func (t *tenantStore) letGo(f dcm.Finish) write {
	held := equals(attrActiveVM, string(f.VM))
	var e edit
	e.setTime(attrUpdatedAt, &f.At)
	e.remove(attrActiveVM)
	return write{
		key: workspaceKey(t.id, f.Workspace), update: &e.UpdateBuilder, condition: &held,
		refused: orMissing(noWorkspace, "the workspace is held by another VM"),
	}
}

func (t *tenantStore) drop(f dcm.Finish, keyVersions int) write {
	untouched := equals(attrActiveVM, string(f.VM)).
		And(equals(attrGeneration, 0)).
		And(expression.Name(attrKeyVersion).LessThanEqual(expression.Value(keyVersions)))
	return write{
		key: workspaceKey(t.id, f.Workspace), condition: &untouched,
		refused: func(current map[string]types.AttributeValue) error {
			if len(current) == 0 {
				return noWorkspace()
			}
			var w workspaceItem
			if err := attributevalue.UnmarshalMap(current, &w); err != nil {
				return fmt.Errorf("decode workspace: %w", err)
			}
			if w.ActiveVM != string(f.VM) {
				return fmt.Errorf("the workspace is held by another VM: %w", dcm.ErrLostRace)
			}
			return &otherWorkspace{backedUp: w.Generation > 0, keyVersion: w.KeyVersion}
		},
	}
}

// otherWorkspace says what a workspace to drop was found to be.
type otherWorkspace struct {
	backedUp   bool
	keyVersion int
}

func (e *otherWorkspace) Error() string {
	return fmt.Sprintf("the workspace is backed up (%t) or has %d keys: %v", e.backedUp, e.keyVersion, dcm.ErrLostRace)
}

// Unwrap makes it a lost race should it have changed between two tries.
func (e *otherWorkspace) Unwrap() error { return dcm.ErrLostRace }

func (t *tenantStore) freeSlot() write {
	counted := expression.Name(attrActiveVMs).GreaterThan(expression.Value(0))
	count := expression.Name(attrActiveVMs)
	free := expression.Set(count, expression.Minus(count, expression.Value(1)))
	return write{
		key: profileKey(t.id), update: &free, condition: &counted,
		refused: func(map[string]types.AttributeValue) error {
			return errors.New("the tenant's count of active VMs is lower than its VMs")
		},
	}
}
