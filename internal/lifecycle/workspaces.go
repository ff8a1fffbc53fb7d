package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Workspaces takes orders about workspaces. An order only writes down what is
// to be done: a sweep does it, however long it takes and whatever crashes.
type Workspaces struct {
	Common
	Sealer     dcm.Sealer
	Identities dcm.IdentityMaker
}

// Delete orders the deletion of a workspace: its backup with all versions of
// it, its keys, its record. From then on no VM can be launched for it. Ordering
// it again is no error. CodeNotFound; CodeConflict naming the VM that holds it.
func (w *Workspaces) Delete(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error) {
	ws, err := w.Store.Tenant(t).Workspace(ctx, id)
	if err != nil {
		return dcm.Workspace{}, fmt.Errorf("read workspace %s: %w", id, err)
	}
	if ws.ActiveVM != "" {
		return dcm.Workspace{}, inUse(ws)
	}
	if taskKind(ws) == dcm.TaskDelete {
		return ws, nil
	}
	// What another task has begun outside stays on record: that has to go too.
	task := dcm.WorkspaceTask{}
	if ws.Task != nil {
		task = *ws.Task
	}
	task.Kind, task.Since, task.Attempt, task.Problem = dcm.TaskDelete, w.Clock.Now(), 0, nil
	ordered, err := w.order(ctx, ws, task)
	switch {
	case errors.Is(err, dcm.ErrLostRace) && taskKind(ordered) == dcm.TaskDelete:
		return ordered, nil
	case errors.Is(err, dcm.ErrLostRace) && ordered.ActiveVM != "":
		return dcm.Workspace{}, inUse(ordered)
	case errors.Is(err, dcm.ErrLostRace):
		return dcm.Workspace{}, errChangedMeanwhile.WithCause(err)
	case err != nil:
		return dcm.Workspace{}, fmt.Errorf("order the deletion of %s: %w", id, err)
	}
	return ordered, nil
}

// RotateKey makes a new version of a workspace's key. The next backup uses it;
// without an active VM a sweep re-encrypts the backup there is. Old versions go
// once nothing readable needs them. CodeNotFound; CodeConflict (it is being
// deleted, or something else changed it at the same time).
func (w *Workspaces) RotateKey(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error) {
	tenant := w.Store.Tenant(t)
	ws, err := tenant.Workspace(ctx, id)
	if err != nil {
		return dcm.Workspace{}, fmt.Errorf("read workspace %s: %w", id, err)
	}
	if taskKind(ws) == dcm.TaskDelete {
		return dcm.Workspace{}, errBeingDeleted
	}
	task := dcm.WorkspaceTask{Kind: dcm.TaskRotate, Since: w.Clock.Now()}
	if ws.Task != nil {
		// A move re-encrypts as well, and a rotation goes on to the newest key.
		task = *ws.Task
	}
	task.KeyVersion = ws.KeyVersion + 1
	ordered, err := w.order(ctx, ws, task)
	switch {
	case errors.Is(err, dcm.ErrLostRace) && taskKind(ordered) == dcm.TaskDelete:
		return dcm.Workspace{}, errBeingDeleted.WithCause(err)
	case errors.Is(err, dcm.ErrLostRace):
		return dcm.Workspace{}, errChangedMeanwhile.WithCause(err)
	case err != nil:
		return dcm.Workspace{}, fmt.Errorf("order a new key for %s: %w", id, err)
	}
	// The order names the version, so a sweep would make the key if this crashed.
	return keyMaker{w.Common, w.Sealer, w.Identities}.make(ctx, tenant, ordered, task.KeyVersion)
}

// order writes a task down, if the workspace is as it was read.
func (w *Workspaces) order(ctx context.Context, ws dcm.Workspace, task dcm.WorkspaceTask) (dcm.Workspace, error) {
	now := w.Clock.Now()
	due := nextDue(ws, now)
	kind, upload := taskKind(ws), taskUpload(ws)
	return w.Store.Tenant(ws.TenantID).ChangeWorkspace(ctx, ws.ID, dcm.WorkspaceChange{
		IfFree: task.Kind == dcm.TaskDelete,
		IfTask: &kind, IfUpload: &upload, IfDueAt: &ws.DueAt,
		Task: &task, DueAt: &due, UpdatedAt: now,
	})
}

// nextDue is now, or, of a workspace that is due about now already, a second
// after that. A due time, in whole seconds, thus also says which order is the
// newest, and a sweep can't take one for done that it has not seen.
func nextDue(ws dcm.Workspace, now time.Time) time.Time {
	due := now.Truncate(time.Second)
	if ahead := ws.DueAt.Sub(due); ahead >= 0 && ahead < taskRetry {
		return ws.DueAt.Add(time.Second)
	}
	return due
}

func taskKind(ws dcm.Workspace) dcm.TaskKind {
	if ws.Task == nil {
		return dcm.NoTask
	}
	return ws.Task.Kind
}

func taskUpload(ws dcm.Workspace) dcm.BackupID {
	if ws.Task == nil || ws.Task.Upload == nil {
		return dcm.NoUpload
	}
	return ws.Task.Upload.BackupID
}

var (
	errBeingDeleted     = dcm.Errorf(dcm.CodeConflict, "the workspace is being deleted")
	errChangedMeanwhile = dcm.Errorf(dcm.CodeConflict, "the workspace changed at the same time; try again")
)

func inUse(ws dcm.Workspace) error {
	return dcm.Errorf(dcm.CodeConflict, "the workspace is in use by %s", ws.ActiveVM)
}
