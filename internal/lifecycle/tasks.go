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
	j, err := t.read(ctx, due)
	if err != nil || j == nil {
		return err
	}
	if err := j.run(ctx); err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return err
	}
	return nil
}

// Plan says what Handle would do first, "" for nothing, and changes nothing.
func (t *Tasks) Plan(ctx context.Context, due dcm.DueWorkspace) (string, error) {
	j, err := t.read(ctx, due)
	if err != nil || j == nil {
		return "", err
	}
	next := j.next()
	if j.ws.Task == nil {
		return string(next), nil
	}
	return fmt.Sprintf("%s: attempt %d of its task %q", next, j.ws.Task.Attempt+1, j.ws.Task.Kind), nil
}

// read reads a workspace that is due, nil if it is not any more.
func (t *Tasks) read(ctx context.Context, due dcm.DueWorkspace) (*job, error) {
	store := t.Store.Tenant(due.Tenant)
	ws, accounts, err := store.WorkspaceWithAccounts(ctx, due.Workspace)
	if dcm.ErrorCode(err) == dcm.CodeNotFound {
		return nil, nil // the index lags behind its deletion
	}
	if err != nil {
		return nil, fmt.Errorf("read workspace %s: %w", due.Workspace, err)
	}
	if ws.DueAt.IsZero() || ws.DueAt.After(t.Clock.Now()) {
		return nil, nil
	}
	return &job{Tasks: t, store: store, ws: ws, accounts: accounts}, nil
}

// PutOff notes why an attempt failed and when to try again. A task that was not
// tried comes before those that were.
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
	at := t.Clock.Now().Add(inTurn(min(taskRetry<<min(task.Attempt-1, 10), taskRetryMost), cause))
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

// stage is what a task does next, in words.
type stage string

const (
	stageNothing  stage = "take it out of the index, as it has no task"
	stageDelete   stage = "delete all that is stored of it, its keys and its record"
	stageRenewKey stage = "make the key that its order could not make, and carry on"
	stageWait     stage = "leave it to the VM that holds it"
	stageCleanUp  stage = "delete the backup that was replaced, and carry on"
	stageSettle   stage = "find out what became of a copy, and carry on"
	stageFinish   stage = "retire the keys that nothing needs, and end the task"
	stageCopy     stage = "copy its backup to its newest key and storage, and put the copy in its place"
)

// next is the stage that the workspace's state asks for.
func (j *job) next() stage {
	switch taskKind(j.ws) {
	case dcm.TaskDelete:
		return stageDelete
	case dcm.TaskRotate, dcm.TaskMove:
	default:
		return stageNothing
	}
	switch {
	case j.ws.Task.KeyVersion > j.ws.KeyVersion:
		return stageRenewKey
	case j.ws.ActiveVM != "":
		return stageWait
	case j.ws.Task.Replaced != nil:
		return stageCleanUp
	case j.ws.Task.Upload != nil:
		return stageSettle
	case j.arrived():
		return stageFinish
	}
	return stageCopy
}

func (j *job) run(ctx context.Context) error {
	for {
		var err error
		switch j.next() {
		case stageDelete:
			return j.discard(ctx)
		case stageWait:
			return j.wait(ctx)
		case stageFinish:
			return j.finish(ctx)
		case stageNothing:
			none := time.Time{}
			return j.change(ctx, nil, &none)
		case stageRenewKey:
			err = j.renewKey(ctx)
		case stageCleanUp:
			err = j.cleanUp(ctx)
		case stageSettle:
			err = j.settleCopy(ctx)
		case stageCopy:
			err = j.copy(ctx)
		}
		if err != nil {
			return err
		}
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
