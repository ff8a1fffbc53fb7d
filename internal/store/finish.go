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

// FinishVM is one transaction. With DropWorkspace the workspace's keys go
// with it: a workspace that was never backed up has one at most, unless
// somebody rotated it, which costs a second transaction.
func (t *tenantStore) FinishVM(ctx context.Context, f dcm.Finish) error {
	if !f.VM.Valid() {
		return noVM()
	}
	if !f.Workspace.Valid() {
		return noWorkspace()
	}
	err := t.finish(ctx, f, 1)
	if more, ok := errors.AsType[*moreKeys](err); ok {
		err = t.finish(ctx, f, more.newest)
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
			if w.ActiveVM == string(f.VM) && w.Generation == 0 && w.KeyVersion > keyVersions {
				return &moreKeys{w.KeyVersion}
			}
			return fmt.Errorf("the workspace has a backup or is held by another VM: %w", dcm.ErrLostRace)
		},
	}
}

// moreKeys says that a workspace to drop has more keys than were to be
// deleted with it.
type moreKeys struct{ newest int }

func (e *moreKeys) Error() string {
	return fmt.Sprintf("the workspace has %d keys: %v", e.newest, dcm.ErrLostRace)
}

// Unwrap makes a key added between two tries a lost race.
func (e *moreKeys) Unwrap() error { return dcm.ErrLostRace }

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
