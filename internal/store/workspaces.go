package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// ChangeWorkspace is one conditional update.
func (t *tenantStore) ChangeWorkspace(ctx context.Context, id dcm.WorkspaceID, c dcm.WorkspaceChange) (dcm.Workspace, error) {
	if !id.Valid() {
		return dcm.Workspace{}, noWorkspace()
	}
	condition := workspaceCondition(c)
	raw, won, err := t.update(ctx, workspaceKey(t.id, id), &condition, workspaceUpdate(id, c))
	if err != nil {
		return dcm.Workspace{}, fmt.Errorf("change workspace %s: %w", id, err)
	}
	if len(raw) == 0 {
		return dcm.Workspace{}, noWorkspace()
	}
	item, err := decodeWorkspace(raw)
	if err != nil {
		return dcm.Workspace{}, fmt.Errorf("decode workspace %s: %w", id, err)
	}
	if !won {
		return item.workspace(t.id), dcm.ErrLostRace
	}
	return item.workspace(t.id), nil
}

func workspaceCondition(c dcm.WorkspaceChange) expression.ConditionBuilder {
	condition := exists()
	if c.IfFree {
		condition = condition.And(absent(attrActiveVM))
	}
	if c.IfTask != nil {
		condition = condition.And(equalsOrAbsent(attrTaskKind, string(*c.IfTask)))
	}
	if c.IfUpload != nil {
		condition = condition.And(equalsOrAbsent(attrTaskUpload+".backupId", string(*c.IfUpload)))
	}
	if c.IfGeneration != nil {
		condition = condition.And(equals(attrGeneration, *c.IfGeneration))
	}
	if c.IfDueAt != nil {
		condition = condition.And(dueAt(*c.IfDueAt))
	}
	if c.StorageID != nil {
		condition = condition.And(absent(attrBackup))
	}
	return condition
}

// dueAt is the condition that an item is due at the time; if zero, that it is
// not due.
func dueAt(at time.Time) expression.ConditionBuilder {
	if at.IsZero() {
		return absent(attrDueAt)
	}
	return equals(attrDueAt, epochSeconds(at))
}

func workspaceUpdate(id dcm.WorkspaceID, c dcm.WorkspaceChange) expression.UpdateBuilder {
	var e edit
	switch {
	case c.ClearTask:
		e.remove(attrTask)
	case c.Task != nil:
		e.set(attrTask, itemOfTask(c.Task))
	}
	if c.StorageID != nil {
		e.setOrRemove(attrStorageID, string(*c.StorageID))
	}
	if c.DueAt != nil {
		e.setDue(dueKindOf(dueWorkspace, string(id)), *c.DueAt)
	}
	if !c.UpdatedAt.IsZero() {
		e.setTime(attrUpdatedAt, &c.UpdatedAt)
	}
	return e.UpdateBuilder
}

// RetireKeys is one read and one transaction, or more if there are more keys to
// delete than a transaction can.
func (t *tenantStore) RetireKeys(ctx context.Context, w dcm.WorkspaceID, below int) error {
	ws, err := t.readWorkspace(ctx, w)
	if err != nil {
		return err
	}
	free := absent(attrActiveVM).And(
		expression.Name(attrBackup + ".keyVersion").GreaterThanEqual(expression.Value(below)).
			Or(absent(attrBackup).And(expression.Name(attrKeyVersion).GreaterThanEqual(expression.Value(below)))))
	err = t.dropKeys(ctx, ws, below, free)
	if err != nil {
		return fmt.Errorf("retire keys of workspace %s: %w", w, err)
	}
	return nil
}

// dropKeys deletes a workspace's keys below a version, if the condition on the
// workspace holds, the oldest first.
func (t *tenantStore) dropKeys(ctx context.Context, ws workspaceItem, below int, condition expression.ConditionBuilder) error {
	versions := make([]int, 0, max(0, below-ws.oldestKey()))
	for v := ws.oldestKey(); v < below; v++ {
		versions = append(versions, v)
	}
	for chunk := range slices.Chunk(versions, maxDroppedKeys) {
		oldest, newest := chunk[0], chunk[len(chunk)-1]
		var e edit
		e.set(attrOldestKey, newest+1)
		mark := write{
			key: ws.key, update: &e.UpdateBuilder, condition: &condition,
			refused: orMissing(noWorkspace, "the workspace is in use, or its backup still needs the keys"),
		}
		keys := t.deleteKeys(dcm.WorkspaceID(ws.ID), oldest, newest)
		if err := t.transact(ctx, append([]write{mark}, keys...)...); err != nil {
			return err
		}
	}
	return nil
}

// dropTries is how often DropWorkspace looks again at a workspace that changed
// while it was being deleted.
const dropTries = 4

// DropWorkspace is one read and one transaction, or more if there are more keys
// than a transaction can delete.
func (t *tenantStore) DropWorkspace(ctx context.Context, id dcm.WorkspaceID, at time.Time) error {
	var err error
	for range dropTries {
		var again bool
		if again, err = t.dropWorkspace(ctx, id, at); !again {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("drop workspace %s: %w", id, err)
	}
	return nil
}

// dropWorkspace reports also whether another try may succeed.
func (t *tenantStore) dropWorkspace(ctx context.Context, id dcm.WorkspaceID, at time.Time) (again bool, err error) {
	ws, err := t.readWorkspace(ctx, id)
	if err != nil {
		return false, err
	}
	if ws.ActiveVM != "" || ws.Task == nil || ws.Task.Kind != string(dcm.TaskDelete) {
		return false, fmt.Errorf("the workspace is not to be deleted: %w", dcm.ErrLostRace)
	}
	doomed := absent(attrActiveVM).And(equals(attrTaskKind, string(dcm.TaskDelete)))
	last := ws.KeyVersion - maxDroppedKeys + 1
	if err := t.dropKeys(ctx, ws, last, doomed); err != nil {
		return false, err
	}
	same := doomed.And(equals(attrKeyVersion, ws.KeyVersion)).And(hasBackup(ws.Backup.backup()))
	drop := write{
		key: ws.key, condition: &same,
		refused: orMissing(noWorkspace, "the workspace changed while it was being deleted"),
	}
	writes := append([]write{drop}, t.deleteKeys(id, max(ws.oldestKey(), last), ws.KeyVersion)...)
	err = t.transact(ctx, append(writes, t.stored(-ws.Backup.size(), at)...)...)
	return isLostRace(err), err
}
