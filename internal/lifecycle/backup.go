package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Backups takes the VMs' backups in. A backup is started, its parts go
// straight from the VM to storage through presigned URLs, and completing it
// moves the workspace's generation in one conditional write.
type Backups struct {
	Common
	Accounts   dcm.Accounts
	Storage    dcm.Storage
	Sealer     dcm.Sealer
	Identities dcm.IdentityMaker
}

// maxPartsAtOnce bounds one request for presigned URLs.
const maxPartsAtOnce = 32

// isSHA256 reports whether text is a SHA-256 in lower-case hex.
func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && strings.ToLower(text) == text
}

// Start begins a backup. It is refused unless the VM holds the workspace and
// has restored, or itself written, its newest generation: a VM whose restore
// failed can never overwrite a good backup. An upload the agent left behind is
// settled first. CodeConflict, CodeNotFound.
func (b *Backups) Start(ctx context.Context, who dcm.TokenClaims, r dcm.BackupStart) (dcm.BackupStarted, error) {
	tenant := b.Store.Tenant(who.Tenant)
	vm, accounts, err := b.writer(ctx, tenant, who.VM)
	if err != nil {
		return dcm.BackupStarted{}, err
	}
	if vm.Upload != nil {
		if err := (settler{b.Common, b.Accounts, b.Storage}).settle(ctx, vm, accounts); err != nil {
			return dcm.BackupStarted{}, err
		}
		if vm, accounts, err = b.writer(ctx, tenant, who.VM); err != nil {
			return dcm.BackupStarted{}, err
		}
	}
	ws, err := tenant.Workspace(ctx, vm.WorkspaceID)
	if err != nil {
		return dcm.BackupStarted{}, fmt.Errorf("read workspace %s: %w", vm.WorkspaceID, err)
	}
	if err := mayWrite(vm, ws, r.Generation); err != nil {
		return dcm.BackupStarted{}, err
	}
	if ws.KeyVersion == 0 {
		if ws, err = (keyMaker{b.Common, b.Sealer, b.Identities}).make(ctx, tenant, ws, 1); err != nil {
			return dcm.BackupStarted{}, err
		}
	}
	return b.begin(ctx, tenant, vm, ws, accounts)
}

// writer reads the VM and checks that it may back up at all.
func (b *Backups) writer(ctx context.Context, t dcm.TenantStore, id dcm.VMID) (dcm.VM, dcm.TenantAccounts, error) {
	vm, accounts, err := t.VMWithAccounts(ctx, id)
	if err != nil {
		return dcm.VM{}, accounts, fmt.Errorf("read %s: %w", id, err)
	}
	if vm.RunningAt == nil || !vm.Status.Active() {
		return dcm.VM{}, accounts, dcm.Errorf(dcm.CodeConflict, "a VM that is not running has nothing to back up")
	}
	return vm, accounts, nil
}

// mayWrite decides whose work is newer. One exception is needed: an agent that
// crashed before it heard that its backup was complete still names the
// generation before it, and its disk holds that backup's work and more.
func mayWrite(vm dcm.VM, ws dcm.Workspace, from int64) error {
	if ws.ActiveVM != vm.ID {
		return dcm.Errorf(dcm.CodeConflict, "another VM holds the workspace")
	}
	if from == ws.Generation {
		return nil
	}
	restored := int64(0)
	if vm.Restore != nil {
		restored = vm.Restore.Generation
	}
	unheard := from == ws.Generation-1 && vm.Generation == ws.Generation && ws.Generation > restored
	if unheard && from >= restored {
		return nil
	}
	return dcm.Errorf(dcm.CodeConflict,
		"the workspace's backup is at generation %d; a backup based on generation %d would overwrite newer work", ws.Generation, from)
}

func (b *Backups) begin(ctx context.Context, t dcm.TenantStore, vm dcm.VM, ws dcm.Workspace, accounts dcm.TenantAccounts) (dcm.BackupStarted, error) {
	id, err := dcm.NewBackupID(b.Random)
	if err != nil {
		return dcm.BackupStarted{}, err
	}
	bucket, err := b.Accounts.Bucket(ctx, accounts, vm.StorageID)
	if err != nil {
		return dcm.BackupStarted{}, fmt.Errorf("open the bucket: %w", err)
	}
	ref, err := b.Storage.StartUpload(ctx, bucket, dcm.BackupKey(vm.TenantID, vm.WorkspaceID), id)
	if err != nil {
		return dcm.BackupStarted{}, outsideError("the backup storage", err)
	}
	none := dcm.NoUpload
	_, err = t.ChangeVM(ctx, vm.ID, dcm.VMChange{
		From:     []dcm.Status{dcm.StatusRunning, dcm.StatusStopping},
		IfUpload: &none,
		Upload: &dcm.Upload{
			BackupID: id, UploadID: ref.UploadID, FromGeneration: ws.Generation,
			KeyVersion: ws.KeyVersion, StartedAt: b.Clock.Now(),
		},
	})
	if err != nil {
		if abortErr := b.Storage.AbortUpload(context.WithoutCancel(ctx), bucket, ref); abortErr != nil {
			b.Log.WarnContext(ctx, "an upload without a record is left to the sweep", "vm", vm.ID, "backup", id, "error", abortErr)
		}
		if errors.Is(err, dcm.ErrLostRace) {
			return dcm.BackupStarted{}, dcm.Errorf(dcm.CodeConflict, "another backup is under way, or the VM has ended").WithCause(err)
		}
		return dcm.BackupStarted{}, fmt.Errorf("record backup %s: %w", id, err)
	}
	return dcm.BackupStarted{
		BackupID: id, PartBytes: dcm.BackupPartBytes, MaxParts: dcm.MaxBackupParts, Recipient: ws.Recipient,
	}, nil
}

// Parts presigns the parts the agent is about to upload. CodeInvalid,
// CodeConflict, CodeNotFound.
func (b *Backups) Parts(ctx context.Context, who dcm.TokenClaims, id dcm.BackupID, r dcm.BackupParts) (dcm.BackupPartURLs, error) {
	if err := checkParts(r.Parts); err != nil {
		return dcm.BackupPartURLs{}, err
	}
	vm, accounts, err := b.Store.Tenant(who.Tenant).VMWithAccounts(ctx, who.VM)
	if err != nil {
		return dcm.BackupPartURLs{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	if vm.Upload == nil || vm.Upload.BackupID != id || !vm.Status.Active() {
		return dcm.BackupPartURLs{}, errNoSuchBackup
	}
	bucket, err := b.Accounts.Bucket(ctx, accounts, vm.StorageID)
	if err != nil {
		return dcm.BackupPartURLs{}, fmt.Errorf("open the bucket: %w", err)
	}
	parts, err := b.Storage.PresignParts(ctx, bucket, uploadRef(vm, vm.Upload), r.Parts, dcm.UploadURLLife)
	if err != nil {
		return dcm.BackupPartURLs{}, fmt.Errorf("presign parts of backup %s: %w", id, err)
	}
	return dcm.BackupPartURLs{Parts: parts}, nil
}

// Complete verifies an upload and makes it the workspace's newest backup.
// Completing it again answers the same. CodeInvalid, CodeConflict (not what
// was announced, or the workspace moved on), CodeNotFound.
func (b *Backups) Complete(ctx context.Context, who dcm.TokenClaims, id dcm.BackupID, r dcm.BackupComplete) (dcm.BackupCompleted, error) {
	if err := checkComplete(r); err != nil {
		return dcm.BackupCompleted{}, err
	}
	tenant := b.Store.Tenant(who.Tenant)
	vm, accounts, err := tenant.VMWithAccounts(ctx, who.VM)
	if err != nil {
		return dcm.BackupCompleted{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	if vm.Upload == nil || vm.Upload.BackupID != id {
		return b.completedBefore(ctx, tenant, vm, id)
	}
	upload := *vm.Upload
	upload.Expected = &dcm.UploadExpectation{SizeBytes: r.Size, SHA256: r.SHA256}
	vm, err = tenant.ChangeVM(ctx, vm.ID, dcm.VMChange{
		From:     []dcm.Status{dcm.StatusRunning, dcm.StatusStopping},
		IfUpload: &id,
		Upload:   &upload,
	})
	if errors.Is(err, dcm.ErrLostRace) {
		return b.completedBefore(ctx, tenant, vm, id)
	}
	if err != nil {
		return dcm.BackupCompleted{}, fmt.Errorf("announce backup %s: %w", id, err)
	}
	return b.finish(ctx, tenant, vm, accounts, r)
}

func (b *Backups) finish(ctx context.Context, t dcm.TenantStore, vm dcm.VM, accounts dcm.TenantAccounts, r dcm.BackupComplete) (dcm.BackupCompleted, error) {
	bucket, err := b.Accounts.Bucket(ctx, accounts, vm.StorageID)
	if err != nil {
		return dcm.BackupCompleted{}, fmt.Errorf("open the bucket: %w", err)
	}
	object, err := b.Storage.CompleteUpload(ctx, bucket, uploadRef(vm, vm.Upload), dcm.UploadTotals{
		Parts: r.Parts, SizeBytes: r.Size, PartsSHA256: r.PartsSHA256,
	})
	if kind := dcm.KindOf(err); kind == dcm.KindInvalid || kind == dcm.KindNotFound {
		if err := b.refuse(ctx, t, bucket, vm); err != nil {
			return dcm.BackupCompleted{}, err
		}
		return dcm.BackupCompleted{}, dcm.Errorf(dcm.CodeConflict, "what was uploaded is not what was announced; start the backup again").WithCause(err)
	}
	if err != nil {
		return dcm.BackupCompleted{}, outsideError("the backup storage", err)
	}
	backup := backupOf(vm, object, b.Clock)
	if err := t.AdvanceGeneration(ctx, vm.ID, vm.WorkspaceID, backup); errors.Is(err, dcm.ErrLostRace) {
		return b.completedBefore(ctx, t, vm, backup.ID)
	} else if err != nil {
		return dcm.BackupCompleted{}, fmt.Errorf("make backup %s the newest: %w", backup.ID, err)
	}
	b.Meter.Count(dcm.MetricBackupCompleted, 1)
	b.describe(ctx, bucket, vm, backup)
	return dcm.BackupCompleted{Generation: backup.Generation}, nil
}

// refuse makes sure that an upload which is not what was announced never
// passes for a backup: first on record, then in storage, where some services
// find out only after they have completed it.
func (b *Backups) refuse(ctx context.Context, t dcm.TenantStore, bucket dcm.Bucket, vm dcm.VM) error {
	refused := *vm.Upload
	refused.Expected = nil
	_, err := t.ChangeVM(ctx, vm.ID, dcm.VMChange{
		From: []dcm.Status{dcm.StatusRunning, dcm.StatusStopping}, IfUpload: &refused.BackupID, Upload: &refused,
	})
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("refuse backup %s: %w", refused.BackupID, err)
	}
	object, err := b.Storage.FindUploaded(ctx, bucket, uploadRef(vm, &refused))
	if err == nil && object != nil && object.VersionID != "" {
		err = b.Storage.DeleteVersion(ctx, bucket, object.Key, object.VersionID)
	}
	if err != nil {
		b.Log.WarnContext(ctx, "a refused upload is left in storage", "vm", vm.ID, "backup", refused.BackupID, "error", err)
	}
	return nil
}

// completedBefore answers a repeated call whose first answer was lost.
func (b *Backups) completedBefore(ctx context.Context, t dcm.TenantStore, vm dcm.VM, id dcm.BackupID) (dcm.BackupCompleted, error) {
	ws, err := t.Workspace(ctx, vm.WorkspaceID)
	if err != nil {
		return dcm.BackupCompleted{}, fmt.Errorf("read workspace %s: %w", vm.WorkspaceID, err)
	}
	if ws.Backup != nil && ws.Backup.ID == id {
		return dcm.BackupCompleted{Generation: ws.Backup.Generation}, nil
	}
	return dcm.BackupCompleted{}, errNoSuchBackup
}

// describe writes metadata.json beside the backup, for people and for disaster
// recovery. The record is the truth, so a failure here is only logged.
func (b *Backups) describe(ctx context.Context, bucket dcm.Bucket, vm dcm.VM, k dcm.Backup) {
	body, err := metadata(k, map[string]any{
		"tenantId": vm.TenantID, "workspaceId": vm.WorkspaceID, "repoUrl": vm.RepoURL, "branch": vm.Branch, "vmId": vm.ID,
	})
	if err == nil {
		err = b.Storage.Put(ctx, bucket, dcm.BackupMetadataKey(vm.TenantID, vm.WorkspaceID), "application/json", body)
	}
	if err != nil {
		b.Log.WarnContext(ctx, "metadata.json is out of date", "workspace", vm.WorkspaceID, "error", err)
	}
}

var errNoSuchBackup = dcm.Errorf(dcm.CodeNotFound, "there is no such backup under way")

func checkParts(parts []dcm.PartSpec) error {
	if len(parts) == 0 || len(parts) > maxPartsAtOnce {
		return dcm.InvalidFields(dcm.FieldError{Field: "parts", Message: fmt.Sprintf("must be 1 to %d parts", maxPartsAtOnce)})
	}
	var wrong []dcm.FieldError
	for i, p := range parts {
		field := func(name string) string { return fmt.Sprintf("parts[%d].%s", i, name) }
		if p.Number < 1 || p.Number > dcm.MaxBackupParts {
			wrong = append(wrong, dcm.FieldError{Field: field("partNumber"), Message: "must be between 1 and 10000"})
		}
		if p.SizeBytes < 1 || p.SizeBytes > dcm.BackupPartBytes {
			wrong = append(wrong, dcm.FieldError{Field: field("size"), Message: "must be between 1 and 8388608"})
		}
		if !isSHA256(p.SHA256) {
			wrong = append(wrong, dcm.FieldError{Field: field("sha256"), Message: "must be 64 lower-case hex digits"})
		}
	}
	return dcm.InvalidFields(wrong...)
}

func checkComplete(r dcm.BackupComplete) error {
	var wrong []dcm.FieldError
	if r.Parts < 1 || r.Parts > dcm.MaxBackupParts {
		wrong = append(wrong, dcm.FieldError{Field: "parts", Message: "must be between 1 and 10000"})
	}
	if r.Size < 1 || r.Size > dcm.MaxBackupParts*int64(dcm.BackupPartBytes) {
		wrong = append(wrong, dcm.FieldError{Field: "size", Message: "must be the size in bytes"})
	}
	for field, sum := range map[string]string{"sha256": r.SHA256, "partsSha256": r.PartsSHA256} {
		if !isSHA256(sum) {
			wrong = append(wrong, dcm.FieldError{Field: field, Message: "must be 64 lower-case hex digits"})
		}
	}
	return dcm.InvalidFields(wrong...)
}
