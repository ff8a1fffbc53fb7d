package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// taskRetry is the first wait after a failed attempt; it doubles, up to
	// taskRetryMost.
	taskRetry     = time.Minute
	taskRetryMost = 6 * time.Hour
	// heldRetry is when a workspace is looked at again that a VM holds.
	heldRetry = 10 * time.Minute
)

// Tasks does what workspaces are to have done: re-encrypting to a new key,
// moving to another storage, deleting. Whatever it does is on record before it
// is done, so that any crash leaves a readable backup and a task that the next
// run carries on or starts afresh. A VM that is launched meanwhile wins.
type Tasks struct {
	Common
	Accounts    dcm.Accounts
	Storage     dcm.Storage
	Sealer      dcm.Sealer
	Identities  dcm.IdentityMaker
	Reencrypter dcm.Reencrypter
}

// Handle carries on with a due workspace's task. Losing a race against a launch
// or a new order is no error: the workspace stays due.
func (t *Tasks) Handle(ctx context.Context, due dcm.DueWorkspace) error {
	store := t.Store.Tenant(due.Tenant)
	ws, accounts, err := store.WorkspaceWithAccounts(ctx, due.Workspace)
	if dcm.ErrorCode(err) == dcm.CodeNotFound {
		return nil // the index lags behind its deletion
	}
	if err != nil {
		return fmt.Errorf("read workspace %s: %w", due.Workspace, err)
	}
	if ws.DueAt.IsZero() || ws.DueAt.After(t.Clock.Now()) {
		return nil
	}
	j := &job{Tasks: t, store: store, ws: ws, accounts: accounts}
	if err := j.run(ctx); err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return err
	}
	return nil
}

// Plan says what Handle would do, "" for nothing, and changes nothing.
func (t *Tasks) Plan(ctx context.Context, due dcm.DueWorkspace) (string, error) {
	ws, err := t.Store.Tenant(due.Tenant).Workspace(ctx, due.Workspace)
	switch {
	case dcm.ErrorCode(err) == dcm.CodeNotFound:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read workspace %s: %w", due.Workspace, err)
	case ws.DueAt.IsZero() || ws.DueAt.After(t.Clock.Now()):
		return "", nil
	case ws.Task == nil:
		return "take it out of the index: it has no task", nil
	}
	return fmt.Sprintf("carry on with its task %q, attempt %d", ws.Task.Kind, ws.Task.Attempt+1), nil
}

// PutOff notes why an attempt failed and when to try again.
func (t *Tasks) PutOff(ctx context.Context, due dcm.DueWorkspace, cause error) error {
	store := t.Store.Tenant(due.Tenant)
	ws, err := store.Workspace(ctx, due.Workspace)
	if err != nil {
		return fmt.Errorf("read workspace %s: %w", due.Workspace, err)
	}
	if ws.Task == nil {
		return nil
	}
	task := *ws.Task
	task.Attempt++
	task.Problem = &dcm.Problem{Code: string(task.Kind) + "_failed", Message: taskBlame(cause)}
	at := t.Clock.Now().Add(min(taskRetry<<min(task.Attempt-1, 10), taskRetryMost))
	kind, upload := taskKind(ws), taskUpload(ws)
	_, err = store.ChangeWorkspace(ctx, ws.ID, dcm.WorkspaceChange{
		IfTask: &kind, IfUpload: &upload, IfDueAt: &ws.DueAt, Task: &task, DueAt: &at, UpdatedAt: t.Clock.Now(),
	})
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("put off workspace %s: %w", ws.ID, err)
	}
	return nil
}

// taskBlame says in a user's words what stands in the way.
func taskBlame(err error) string {
	if e, ok := errors.AsType[*dcm.ProviderError](err); ok {
		return e.Message + "; it is tried again"
	}
	if e, ok := errors.AsType[*dcm.Error](err); ok && e.Code != dcm.CodeInternal {
		return e.Message + "; it is tried again"
	}
	return "an internal error; it is tried again"
}

// job is one workspace's task, as far as it has come.
type job struct {
	*Tasks
	store    dcm.TenantStore
	ws       dcm.Workspace
	accounts dcm.TenantAccounts
}

func (j *job) run(ctx context.Context) error {
	switch taskKind(j.ws) {
	case dcm.TaskDelete:
		return j.discard(ctx)
	case dcm.TaskRotate, dcm.TaskMove:
		return j.carry(ctx)
	default:
		none := time.Time{}
		return j.change(ctx, nil, &none)
	}
}

// change writes the task as far as it has come, nil once it is done, if nobody
// has ordered anything else since it was read.
func (j *job) change(ctx context.Context, task *dcm.WorkspaceTask, due *time.Time) error {
	kind, upload := taskKind(j.ws), taskUpload(j.ws)
	ws, err := j.store.ChangeWorkspace(ctx, j.ws.ID, dcm.WorkspaceChange{
		IfTask: &kind, IfUpload: &upload, IfDueAt: &j.ws.DueAt,
		Task: task, ClearTask: task == nil, DueAt: due, UpdatedAt: j.Clock.Now(),
	})
	if err != nil {
		return fmt.Errorf("note how far workspace %s has come: %w", j.ws.ID, err)
	}
	j.ws = ws
	return nil
}

// progress changes the task in one respect.
func (j *job) progress(ctx context.Context, edit func(*dcm.WorkspaceTask)) error {
	task := *j.ws.Task
	edit(&task)
	return j.change(ctx, &task, nil)
}

// bucket opens a storage of the tenant's.
func (j *job) bucket(ctx context.Context, id dcm.AccountID) (dcm.Bucket, error) {
	b, err := j.Accounts.Bucket(ctx, j.accounts, id)
	if err != nil {
		return dcm.Bucket{}, fmt.Errorf("open the storage %q: %w", id, err)
	}
	return b, nil
}

// mainKey is where a workspace's backup lies.
func (j *job) mainKey() string { return dcm.BackupKey(j.ws.TenantID, j.ws.ID) }

// prefix is what all of a workspace's objects begin with.
func (j *job) prefix() string { return string(j.ws.TenantID) + "/" + string(j.ws.ID) + "/" }

// asideKey is where a re-encrypted backup lies for a moment.
func (j *job) asideKey() string { return dcm.BackupCopyKey(j.ws.TenantID, j.ws.ID) }
