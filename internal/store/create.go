package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// CreateVM is one transaction; a second one is needed once a month, when the
// tenant's books are still open for the month before. Of a resumed workspace it
// writes the hold and UpdatedAt, nothing else. If several things are in the way,
// the idempotency key is said first: what it stands for may itself hold the
// workspace and the last slot. An intent without an Event writes none.
func (t *tenantStore) CreateVM(ctx context.Context, i dcm.Intent) error {
	if err := t.checkIntent(i); err != nil {
		return fmt.Errorf("create VM %s: %w", i.VM.ID, err)
	}
	err := book(func(seen *profileItem) error { return t.transact(ctx, t.createWrites(i, seen)...) })
	if err != nil {
		return fmt.Errorf("create VM %s: %w", i.VM.ID, err)
	}
	return nil
}

func (t *tenantStore) createWrites(i dcm.Intent, seen *profileItem) []write {
	var writes []write
	if i.Idempotency != nil {
		writes = append(writes, t.claimIdempotency(*i.Idempotency, i.Undone))
	}
	writes = append(writes, t.holdWorkspace(i), t.takeSlot(i, seen))
	if i.VM.AccountID != dcm.PlatformAccount {
		writes = append(writes, t.takeAccount(i.VM))
	}
	writes = append(writes, t.putVM(i.VM))
	if i.Event.ID != "" {
		writes = append(writes, write{put: itemOfEvent(t.id, i.Event)})
	}
	used := tally{}
	used.vm(i.VM.Started())
	return append(writes, t.count(used)...)
}

// checkIntent catches a caller's mistake before it becomes a record.
func (t *tenantStore) checkIntent(i dcm.Intent) error {
	switch {
	case i.VM.TenantID != t.id || i.Workspace.TenantID != t.id:
		return fmt.Errorf("the intent is for tenant %q and workspace tenant %q, not %q", i.VM.TenantID, i.Workspace.TenantID, t.id)
	case !i.VM.ID.Valid() || !i.Workspace.ID.Valid():
		return fmt.Errorf("VM id %q or workspace id %q is not valid", i.VM.ID, i.Workspace.ID)
	case i.VM.WorkspaceID != i.Workspace.ID || i.Workspace.ActiveVM != i.VM.ID:
		return fmt.Errorf("VM and workspace %s do not name each other", i.Workspace.ID)
	case i.VM.StorageID != i.Workspace.StorageID:
		return fmt.Errorf("VM and workspace %s name different storage", i.Workspace.ID)
	case i.VM.Reserved < 0:
		return fmt.Errorf("a new VM can't reserve %s", i.VM.Reserved)
	case i.Event.ID != "" && !validEventID(i.Event.ID):
		return fmt.Errorf("event id %q is not valid", i.Event.ID)
	case i.VM.Status != dcm.StatusCreating:
		return fmt.Errorf("a new VM is creating, not %q", i.VM.Status)
	case i.VM.CreatedAt.IsZero():
		return fmt.Errorf("a new VM needs CreatedAt")
	}
	return nil
}

// claimIdempotency takes a key that is free, or that stands for undone. Two that
// read of the same undone VM take it once: afterwards it stands for another.
func (t *tenantStore) claimIdempotency(i dcm.Idempotency, undone dcm.VMID) write {
	free := absent(attrPK).Or(
		expression.Name(attrExpiresAt).LessThanEqual(expression.Value(instantOf(t.options.Clock.Now()))))
	if undone != "" {
		free = free.Or(equals(attrIdempotentVM, string(undone)))
	}
	return write{
		put: itemOfIdempotency(t.id, i), condition: &free,
		refused: func(map[string]types.AttributeValue) error { return dcm.ErrIdempotencyTaken },
	}
}

func (t *tenantStore) holdWorkspace(i dcm.Intent) write {
	if i.NewWorkspace {
		isNew := absent(attrPK)
		return write{
			put: itemOfWorkspace(i.Workspace), condition: &isNew,
			refused: func(map[string]types.AttributeValue) error {
				return fmt.Errorf("workspace %s exists already: %w", i.Workspace.ID, dcm.ErrLostRace)
			},
		}
	}
	free := absent(attrActiveVM).
		And(equals(attrGeneration, i.Workspace.Generation)).
		And(equalsOrAbsent(attrStorageID, string(i.Workspace.StorageID))).
		And(hasBackup(i.Workspace.Backup)).
		And(absent(attrTask).Or(expression.Name(attrTaskKind).NotEqual(expression.Value(string(dcm.TaskDelete)))))
	hold := expression.Set(expression.Name(attrActiveVM), expression.Value(string(i.VM.ID))).
		Set(expression.Name(attrUpdatedAt), expression.Value(instantOf(i.Workspace.UpdatedAt)))
	return write{
		key: workspaceKey(t.id, i.Workspace.ID), update: &hold, condition: &free,
		refused: workspaceRefused,
	}
}

func workspaceRefused(current map[string]types.AttributeValue) error {
	w, err := decodeWorkspace(current)
	switch {
	case err != nil:
		return fmt.Errorf("decode workspace: %w", err)
	case w.ActiveVM != "":
		return dcm.Errorf(dcm.CodeConflict, "the workspace is in use by %s", w.ActiveVM)
	case w.Task != nil && w.Task.Kind == string(dcm.TaskDelete):
		return dcm.Errorf(dcm.CodeConflict, "the workspace is being deleted")
	default:
		return fmt.Errorf("the workspace is gone, at another generation or elsewhere: %w", dcm.ErrLostRace)
	}
}

// takeAccount counts the VM at the tenant's own account.
func (t *tenantStore) takeAccount(vm dcm.VM) write {
	same := equals(attrAccountID, string(vm.AccountID))
	var e edit
	e.add(attrActiveVMs, 1)
	return write{
		key: providerKey(t.id, vm.Provider), update: &e.UpdateBuilder, condition: &same,
		refused: func(map[string]types.AttributeValue) error {
			return fmt.Errorf("the tenant's account at %s is gone or another: %w", vm.Provider, dcm.ErrLostRace)
		},
	}
}

func (t *tenantStore) putVM(vm dcm.VM) write {
	isNew := absent(attrPK)
	return write{
		put: itemOfVM(vm), condition: &isNew,
		refused: func(map[string]types.AttributeValue) error {
			return fmt.Errorf("the VM exists already: %w", dcm.ErrLostRace)
		},
	}
}
