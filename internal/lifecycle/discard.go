package lifecycle

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// discard deletes a workspace: what is stored of it first, then its record,
// with its keys. No VM holds it, and none can any more.
func (j *job) discard(ctx context.Context) error {
	if j.ws.ActiveVM != "" {
		return fmt.Errorf("workspace %s is to be deleted and %s holds it", j.ws.ID, j.ws.ActiveVM)
	}
	for id := range storagesOf(j.ws) {
		bucket, err := j.bucket(ctx, id)
		if err != nil {
			return err
		}
		if err := j.deleteEverything(ctx, bucket); err != nil {
			return err
		}
	}
	err := j.store.DropWorkspace(ctx, j.ws.ID, j.Clock.Now())
	if err != nil && dcm.ErrorCode(err) != dcm.CodeNotFound {
		return fmt.Errorf("drop workspace %s: %w", j.ws.ID, err)
	}
	j.Log.InfoContext(ctx, "deleted a workspace", "workspace", j.ws.ID, "tenant", j.ws.TenantID)
	j.noteDone(ctx, dcm.TaskDelete)
	return nil
}

// noteDone adds a task's end to the audit log. Its order is there already.
func (j *job) noteDone(ctx context.Context, kind dcm.TaskKind) {
	e, err := j.event("workspaces/"+string(j.ws.ID), dcm.ActorSystem, sweepKeys, Origin{}, "done: "+string(kind))
	j.note(ctx, j.ws.TenantID, e, err)
}

// storagesOf are the storages where something of the workspace may lie.
func storagesOf(ws dcm.Workspace) map[dcm.AccountID]bool {
	ids := map[dcm.AccountID]bool{ws.StorageID: true}
	if ws.Backup != nil {
		ids[ws.Backup.StorageID] = true
	}
	if t := ws.Task; t != nil && t.Upload != nil {
		ids[t.Target] = true
	}
	if t := ws.Task; t != nil && t.Replaced != nil {
		ids[t.Replaced.StorageID] = true
	}
	return ids
}
