package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// abandonTimeout bounds what is done for tidiness alone.
const abandonTimeout = 10 * time.Second

// plannedCopy is a copy of a workspace's backup: from where, to where, and
// whether it changes keys.
type plannedCopy struct {
	from   dcm.Backup
	to     dcm.AccountID
	key    string
	source dcm.Bucket
	target dcm.Bucket
	// keyVersion is the copy's. identity and recipient are set if it is not
	// the original's.
	keyVersion int
	identity   dcm.Secret
	recipient  string
}

// copy makes one copy and puts it in the backup's place.
func (j *job) copy(ctx context.Context) error {
	p, err := j.planCopy(ctx)
	if err != nil {
		return err
	}
	same, err := j.alreadyThere(ctx, p)
	if err != nil {
		return err
	}
	if same {
		// The same object under the name of another account: only the record
		// has to say so.
		renamed := p.from
		renamed.StorageID, renamed.Generation = p.to, p.from.Generation+1
		return j.replace(ctx, p.from, renamed)
	}
	object, err := j.upload(ctx, p)
	if err != nil {
		return err
	}
	return j.replace(ctx, p.from, copyOf(p.from, p.to, *j.ws.Task.Upload, object))
}

func (j *job) planCopy(ctx context.Context) (p plannedCopy, err error) {
	p = plannedCopy{from: *j.ws.Backup, to: j.destination(), keyVersion: j.ws.Backup.KeyVersion}
	p.key = j.copyKey(p.from, p.to)
	if p.source, err = j.bucket(ctx, p.from.StorageID); err != nil {
		return p, err
	}
	if p.target, err = j.bucket(ctx, p.to); err != nil {
		return p, err
	}
	if p.keyVersion == j.ws.KeyVersion {
		return p, nil
	}
	key, err := j.store.WorkspaceKey(ctx, j.ws.ID, p.keyVersion)
	if err != nil {
		return p, fmt.Errorf("read key %d of %s: %w", p.keyVersion, j.ws.ID, err)
	}
	if p.identity, err = j.Sealer.Open(ctx, keyContext(j.ws.TenantID, key), key.Sealed); err != nil {
		return p, fmt.Errorf("open key %d of %s: %w", p.keyVersion, j.ws.ID, err)
	}
	p.keyVersion, p.recipient = j.ws.KeyVersion, j.ws.Recipient
	return p, nil
}

// copyKey is where a copy is made: under the main key, or beside it if it would
// overwrite what it is made of.
func (j *job) copyKey(from dcm.Backup, to dcm.AccountID) string {
	if from.StorageID == to && from.VersionID == "" && from.Key == j.mainKey() {
		return j.asideKey()
	}
	return j.mainKey()
}

// alreadyThere says that the record alone is out of date: the backup's storage
// is another account for the same bucket, or the workspace's is not its backup's.
func (j *job) alreadyThere(ctx context.Context, p plannedCopy) (bool, error) {
	if p.from.StorageID != p.to {
		return j.samePlace(ctx, p.source, p.target)
	}
	return p.recipient == "" && p.from.Key == j.mainKey(), nil
}

// upload makes the copy. It is noted before it is begun, and what it must turn
// out to be before it is complete.
func (j *job) upload(ctx context.Context, p plannedCopy) (dcm.StoredObject, error) {
	id, err := dcm.NewBackupID(j.Random)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	u := dcm.Upload{BackupID: id, FromGeneration: p.from.Generation, KeyVersion: p.keyVersion, StartedAt: j.Clock.Now()}
	if err := j.noteUpload(ctx, p, u); err != nil {
		return dcm.StoredObject{}, err
	}
	ref, err := j.Storage.StartUpload(ctx, p.target, p.key, id)
	if err != nil {
		return dcm.StoredObject{}, fmt.Errorf("start the copy %s: %w", id, err)
	}
	u.UploadID = ref.UploadID
	if err := j.noteUpload(ctx, p, u); err != nil {
		return dcm.StoredObject{}, err
	}
	totals, sum, err := j.stream(ctx, p, ref)
	if err != nil {
		j.abandon(ctx, p, ref)
		return dcm.StoredObject{}, err
	}
	u.Expected = &dcm.UploadExpectation{SizeBytes: totals.SizeBytes, SHA256: sum}
	if err := j.noteUpload(ctx, p, u); err != nil {
		return dcm.StoredObject{}, err
	}
	object, err := j.Storage.CompleteUpload(ctx, p.target, ref, totals)
	if err != nil {
		return dcm.StoredObject{}, fmt.Errorf("complete the copy %s: %w", id, err)
	}
	return object, nil
}

func (j *job) noteUpload(ctx context.Context, p plannedCopy, u dcm.Upload) error {
	return j.progress(ctx, func(t *dcm.WorkspaceTask) { t.Upload, t.Target = &u, p.to })
}

// abandon frees the parts of a copy that failed: the next attempt, which would
// do so too, may be hours away.
func (j *job) abandon(ctx context.Context, p plannedCopy, ref dcm.UploadRef) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if err := j.Storage.AbortUpload(ctx, p.target, ref); err != nil {
		j.Log.WarnContext(ctx, "a failed copy is left to the next attempt", "workspace", j.ws.ID, "error", err)
	}
}

// copyOf is the same content as from: it was taken then, and is one generation
// on, so that nobody acts on what it was before.
func copyOf(from dcm.Backup, to dcm.AccountID, u dcm.Upload, o dcm.StoredObject) dcm.Backup {
	return dcm.Backup{
		ID: u.BackupID, StorageID: to, Key: o.Key, VersionID: o.VersionID,
		SizeBytes: o.SizeBytes, SHA256: u.Expected.SHA256, KeyVersion: u.KeyVersion,
		Generation: u.FromGeneration + 1, TakenAt: from.TakenAt,
	}
}

// replace puts a copy in the backup's place, and reads how things stand then.
func (j *job) replace(ctx context.Context, from, to dcm.Backup) error {
	if err := j.store.ReplaceBackup(ctx, j.ws.ID, from, to); err != nil {
		return fmt.Errorf("put copy %s in the place of backup %s: %w", to.ID, from.ID, err)
	}
	ws, accounts, err := j.store.WorkspaceWithAccounts(ctx, j.ws.ID)
	if err != nil {
		return fmt.Errorf("read workspace %s: %w", j.ws.ID, err)
	}
	if ws.Task == nil || ws.Task.Kind == dcm.TaskDelete || ws.ActiveVM != "" {
		return fmt.Errorf("workspace %s: %w", j.ws.ID, dcm.ErrLostRace)
	}
	j.ws, j.accounts = ws, accounts
	return nil
}
