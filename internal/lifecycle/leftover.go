package lifecycle

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// settleCopy ends a copy that an earlier run began. One that is complete, and
// of the backup that there still is, takes its place; any other is dropped.
func (j *job) settleCopy(ctx context.Context) error {
	u, from := j.ws.Task.Upload, j.ws.Backup
	if from == nil || u.Expected == nil || u.FromGeneration != from.Generation || j.ws.Task.Target != j.destination() {
		return j.dropCopy(ctx)
	}
	bucket, err := j.bucket(ctx, j.ws.Task.Target)
	if err != nil {
		return err
	}
	ref := dcm.UploadRef{Key: j.copyKey(*from, j.ws.Task.Target), UploadID: u.UploadID, BackupID: u.BackupID}
	object, err := j.Storage.FindUploaded(ctx, bucket, ref)
	if err != nil {
		return fmt.Errorf("look for the copy %s: %w", u.BackupID, err)
	}
	if object == nil {
		return j.dropCopy(ctx)
	}
	return j.replace(ctx, *from, copyOf(*from, j.ws.Task.Target, *u, *object))
}

// dropCopy takes away what a copy has left in a storage, and then its note.
func (j *job) dropCopy(ctx context.Context) error {
	target := j.ws.Task.Target
	drop := j.dropAside
	if target == j.ws.StorageID || j.ws.Backup != nil && target == j.ws.Backup.StorageID {
		drop = j.dropBeside
	}
	done, err := drop(ctx, target)
	if err != nil || !done {
		return err
	}
	return j.progress(ctx, func(t *dcm.WorkspaceTask) { t.Upload = nil })
}

// dropAside drops a copy in another storage than the backup's: all that is there.
func (j *job) dropAside(ctx context.Context, target dcm.AccountID) (bool, error) {
	return true, j.wipe(ctx, target)
}

// dropBeside drops a copy in the storage where the backup lies, and a VM may be
// writing its next one: nothing but what surely is the copy. It is not done
// while a VM is active and the answer that named the upload was lost.
func (j *job) dropBeside(ctx context.Context, target dcm.AccountID) (done bool, err error) {
	u, held := j.ws.Task.Upload, j.ws.ActiveVM != ""
	if held && u.UploadID == "" {
		return false, nil
	}
	bucket, err := j.bucket(ctx, target)
	if err != nil {
		return false, err
	}
	for _, key := range j.copyKeys() {
		ref := dcm.UploadRef{Key: key, UploadID: u.UploadID, BackupID: u.BackupID}
		if held {
			err = j.Storage.AbortUpload(ctx, bucket, ref)
		} else {
			err = j.Storage.AbortUploads(ctx, bucket, key)
		}
		if err != nil {
			return false, fmt.Errorf("abort the copy %s: %w", u.BackupID, err)
		}
		if err := j.deleteCopy(ctx, bucket, ref); err != nil {
			return false, err
		}
	}
	return true, nil
}

// deleteCopy deletes the object that a copy became. In a bucket without versions
// what lies under the main key stays: a VM's backup may take its place at any
// moment, and the next copy will.
func (j *job) deleteCopy(ctx context.Context, b dcm.Bucket, ref dcm.UploadRef) error {
	if j.ws.Task.Upload.Expected == nil {
		return nil
	}
	object, err := j.Storage.FindUploaded(ctx, b, ref)
	if err != nil {
		return fmt.Errorf("look for the copy %s: %w", ref.BackupID, err)
	}
	if object == nil || object.VersionID == "" && ref.Key == j.mainKey() {
		return nil
	}
	if err := j.Storage.DeleteVersion(ctx, b, ref.Key, object.VersionID); err != nil {
		return fmt.Errorf("delete the copy %s: %w", ref.BackupID, err)
	}
	return nil
}

// copyKeys are the keys that a copy may have in the backup's own storage.
func (j *job) copyKeys() []string {
	if b := j.ws.Backup; b != nil && b.VersionID == "" {
		return []string{j.mainKey(), j.asideKey()}
	}
	return []string{j.mainKey()}
}

// cleanUp deletes the backup that a copy took the place of. No VM can restore
// it: a launch that had read of it was refused, as the generation has moved.
func (j *job) cleanUp(ctx context.Context) error {
	old := *j.ws.Task.Replaced
	clean := j.deleteOld
	if old.StorageID != j.ws.Backup.StorageID {
		clean = func(ctx context.Context, old dcm.Backup) error { return j.wipe(ctx, old.StorageID) }
	}
	if err := clean(ctx, old); err != nil {
		return err
	}
	return j.progress(ctx, func(t *dcm.WorkspaceTask) { t.Replaced = nil })
}

// deleteOld deletes a backup beside the one there is.
func (j *job) deleteOld(ctx context.Context, old dcm.Backup) error {
	live := *j.ws.Backup
	bucket, err := j.bucket(ctx, live.StorageID)
	if err != nil {
		return err
	}
	if err := j.describe(ctx, bucket); err != nil {
		return err
	}
	same := old.Key == live.Key && old.VersionID == live.VersionID
	// Without versions, the main key is where the backup is about to return to.
	overwritten := live.VersionID == "" && old.VersionID == "" && old.Key == j.mainKey()
	if same || overwritten {
		return nil
	}
	if err := j.Storage.DeleteVersion(ctx, bucket, old.Key, old.VersionID); err != nil {
		return fmt.Errorf("delete backup %s: %w", old.ID, err)
	}
	return nil
}
