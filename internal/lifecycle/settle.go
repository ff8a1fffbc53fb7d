package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// settler ends uploads that nobody is working on any more.
type settler struct {
	Common
	accounts dcm.Accounts
	storage  dcm.Storage
}

// settle makes a completed upload the workspace's newest backup, and aborts
// one that was never completed. A completed one was announced, compared and
// accepted: only the answer was lost, and the work in it must not be.
func (s settler) settle(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) error {
	u := vm.Upload
	bucket, err := s.accounts.Bucket(ctx, accounts, vm.StorageID)
	if err != nil {
		return fmt.Errorf("open the bucket: %w", err)
	}
	ref := uploadRef(vm, u)
	if u.Expected != nil {
		object, err := s.storage.FindUploaded(ctx, bucket, ref)
		if err != nil {
			return fmt.Errorf("look for backup %s: %w", u.BackupID, err)
		}
		if object != nil && object.SizeBytes == u.Expected.SizeBytes {
			return s.adopt(ctx, vm, *object)
		}
	}
	if err := s.storage.AbortUpload(ctx, bucket, ref); err != nil {
		return fmt.Errorf("abort upload of backup %s: %w", u.BackupID, err)
	}
	return s.clear(ctx, vm)
}

func (s settler) adopt(ctx context.Context, vm dcm.VM, o dcm.StoredObject) error {
	err := s.Store.Tenant(vm.TenantID).AdvanceGeneration(ctx, vm.ID, vm.WorkspaceID, backupOf(vm, o, s.Clock))
	if errors.Is(err, dcm.ErrLostRace) {
		// The workspace has moved on: this upload is not its newest state.
		return s.clear(ctx, vm)
	}
	if err != nil {
		return fmt.Errorf("adopt backup %s: %w", vm.Upload.BackupID, err)
	}
	s.Log.InfoContext(ctx, "adopted a backup whose answer was lost", "vm", vm.ID, "backup", vm.Upload.BackupID)
	return nil
}

func (s settler) clear(ctx context.Context, vm dcm.VM) error {
	_, err := s.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{
		From:        []dcm.Status{dcm.StatusCreating, dcm.StatusRunning, dcm.StatusStopping},
		IfUpload:    &vm.Upload.BackupID,
		ClearUpload: true,
	})
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("clear upload of backup %s: %w", vm.Upload.BackupID, err)
	}
	return nil
}

func uploadRef(vm dcm.VM, u *dcm.Upload) dcm.UploadRef {
	return dcm.UploadRef{Key: dcm.BackupKey(vm.TenantID, vm.WorkspaceID), UploadID: u.UploadID, BackupID: u.BackupID}
}

func backupOf(vm dcm.VM, o dcm.StoredObject, clock dcm.Clock) dcm.Backup {
	u := vm.Upload
	return dcm.Backup{
		ID: u.BackupID, StorageID: vm.StorageID, Key: o.Key, VersionID: o.VersionID, SizeBytes: o.SizeBytes,
		SHA256: u.Expected.SHA256, KeyVersion: u.KeyVersion,
		Generation: u.FromGeneration + 1, TakenAt: clock.Now(),
	}
}
