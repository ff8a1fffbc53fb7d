package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// wipe deletes all of the workspace that lies in a storage where its backup does
// not. Two accounts may be the same bucket under different names: that is found
// out first, as deleting there would delete the backup.
func (j *job) wipe(ctx context.Context, id dcm.AccountID) error {
	doomed, err := j.bucket(ctx, id)
	if err != nil {
		return err
	}
	if j.ws.Backup != nil {
		live, err := j.bucket(ctx, j.ws.Backup.StorageID)
		if err != nil {
			return err
		}
		same, err := j.samePlace(ctx, live, doomed)
		if err != nil || same {
			return err
		}
	}
	return j.deleteEverything(ctx, doomed)
}

// deleteEverything deletes all that begins with the workspace's prefix. Some
// services list unfinished uploads by their whole key alone.
func (j *job) deleteEverything(ctx context.Context, b dcm.Bucket) error {
	for _, key := range []string{j.mainKey(), j.asideKey()} {
		if err := j.Storage.AbortUploads(ctx, b, key); err != nil {
			return fmt.Errorf("end uploads of workspace %s: %w", j.ws.ID, err)
		}
	}
	if err := j.Storage.DeleteAll(ctx, b, j.prefix()); err != nil {
		return fmt.Errorf("delete what is stored of workspace %s: %w", j.ws.ID, err)
	}
	return nil
}

// samePlace says whether what is written to one bucket is read from the other.
// Neither names nor endpoints tell: a bucket may have many of both.
func (j *job) samePlace(ctx context.Context, live, other dcm.Bucket) (bool, error) {
	body, err := j.metadata()
	if err != nil {
		return false, err
	}
	if err := j.putMetadata(ctx, live, body); err != nil {
		return false, err
	}
	r, err := j.Storage.Open(ctx, other, dcm.BackupMetadataKey(j.ws.TenantID, j.ws.ID), "")
	if dcm.KindOf(err) == dcm.KindNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read metadata.json: %w", err)
	}
	defer r.Close()
	there, err := io.ReadAll(io.LimitReader(r, int64(len(body))+1))
	if err != nil {
		return false, fmt.Errorf("read metadata.json: %w", err)
	}
	return bytes.Equal(there, body), nil
}

// describe writes metadata.json beside the backup.
func (j *job) describe(ctx context.Context, b dcm.Bucket) error {
	body, err := j.metadata()
	if err != nil {
		return err
	}
	return j.putMetadata(ctx, b, body)
}

func (j *job) putMetadata(ctx context.Context, b dcm.Bucket, body []byte) error {
	if err := j.Storage.Put(ctx, b, dcm.BackupMetadataKey(j.ws.TenantID, j.ws.ID), "application/json", body); err != nil {
		return fmt.Errorf("write metadata.json: %w", err)
	}
	return nil
}

// metadata describes the backup there is, in words that no other writing of it
// has.
func (j *job) metadata() ([]byte, error) {
	id, err := dcm.NewBackupID(j.Random)
	if err != nil {
		return nil, err
	}
	return metadata(*j.ws.Backup, map[string]any{
		"tenantId": j.ws.TenantID, "workspaceId": j.ws.ID, "repoUrl": j.ws.RepoURL, "branch": j.ws.Branch,
		"storageId": j.ws.Backup.StorageID, "writing": id,
	})
}
