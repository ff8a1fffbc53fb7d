package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// renewKey makes up for an order that crashed before it made its key.
func (j *job) renewKey(ctx context.Context) error {
	ws, err := keyMaker{j.Common, j.Sealer, j.Identities}.make(ctx, j.store, j.ws, j.ws.KeyVersion+1)
	if err != nil {
		return err
	}
	if ws.Task == nil || !ws.DueAt.Equal(j.ws.DueAt) || ws.KeyVersion <= j.ws.KeyVersion {
		return fmt.Errorf("workspace %s: %w", j.ws.ID, dcm.ErrLostRace)
	}
	j.ws = ws
	return nil
}

// wait leaves the workspace to its VM. The VM's own backups use the newest key;
// a copy of what it started from is of no use any more.
func (j *job) wait(ctx context.Context) error {
	if j.ws.Task.Upload != nil {
		if err := j.dropCopy(ctx); err != nil {
			return err
		}
	}
	at := j.Clock.Now().Add(heldRetry)
	task := *j.ws.Task
	task.Attempt, task.Problem = 0, nil
	return j.change(ctx, &task, &at)
}

// destination is the storage that the backup is to lie in.
func (j *job) destination() dcm.AccountID {
	if j.ws.Task.Kind == dcm.TaskMove || j.ws.Backup == nil {
		return j.accounts.Tenant.StorageID
	}
	return j.ws.Backup.StorageID
}

// arrived says that nothing is left to copy.
func (j *job) arrived() bool {
	b := j.ws.Backup
	return b == nil || j.inPlace() && b.KeyVersion == j.ws.KeyVersion && b.Key == j.mainKey()
}

func (j *job) inPlace() bool {
	to := j.destination()
	return j.ws.Backup.StorageID == to && j.ws.StorageID == to
}

// finish retires the keys that nothing needs any more, and the task. A VM that
// is launched meanwhile may need them: then it is left for later.
func (j *job) finish(ctx context.Context) error {
	newest := j.ws.KeyVersion
	if b := j.ws.Backup; b != nil {
		newest = b.KeyVersion
		if err := j.tidy(ctx, *b); err != nil {
			return err
		}
	}
	if newest > 1 {
		if err := j.store.RetireKeys(ctx, j.ws.ID, newest); err != nil {
			return fmt.Errorf("retire the keys of %s: %w", j.ws.ID, err)
		}
	}
	kind := j.ws.Task.Kind
	none := time.Time{}
	if err := j.change(ctx, nil, &none); err != nil {
		return err
	}
	j.Log.InfoContext(ctx, "finished a workspace's task", "workspace", j.ws.ID, "tenant", j.ws.TenantID, "task", kind)
	j.noteDone(ctx, kind)
	return nil
}

// tidy ends uploads that nobody knows of, because the answer that named them was
// lost, and deletes what lay aside, which a VM's own backup may have superseded.
func (j *job) tidy(ctx context.Context, b dcm.Backup) error {
	bucket, err := j.bucket(ctx, b.StorageID)
	if err != nil {
		return err
	}
	for _, key := range j.copyKeys() {
		if err := j.Storage.AbortUploads(ctx, bucket, key); err != nil {
			return fmt.Errorf("end unknown uploads: %w", err)
		}
		if key != j.asideKey() {
			continue
		}
		if err := j.Storage.DeleteVersion(ctx, bucket, key, ""); err != nil {
			return fmt.Errorf("delete what lay aside: %w", err)
		}
	}
	return nil
}
