package store

import (
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Attributes of a workspace's item that expressions name.
const (
	attrActiveVM   = "activeVM"
	attrKeyVersion = "keyVersion"
	attrOldestKey  = "oldestKey"
	attrRecipient  = "recipient"
	attrBackup     = "backup"
	attrTask       = "task"
	attrTaskKind   = attrTask + ".kind"
	attrTaskUpload = attrTask + ".upload"
	attrReplaced   = attrTask + ".replaced"
	attrUpdatedAt  = "updatedAt"
)

type workspaceItem struct {
	key
	ListKey string `dynamodbav:"listKey"`
	DueKind string `dynamodbav:"dueKind,omitempty"`
	DueAt   int64  `dynamodbav:"dueAt,omitempty"`
	WriteID string `dynamodbav:"writeId,omitempty"`

	ID         string      `dynamodbav:"id"`
	RepoURL    string      `dynamodbav:"repoUrl,omitempty"`
	Branch     string      `dynamodbav:"branch,omitempty"`
	CreatedAt  instant     `dynamodbav:"createdAt"`
	UpdatedAt  instant     `dynamodbav:"updatedAt"`
	ActiveVM   string      `dynamodbav:"activeVM,omitempty"`
	CreatedBy  string      `dynamodbav:"createdBy,omitempty"`
	Generation int64       `dynamodbav:"generation"`
	Backup     *backupItem `dynamodbav:"backup,omitempty"`
	KeyVersion int         `dynamodbav:"keyVersion"`
	// OldestKey is the oldest version that may still exist; 0 for the first.
	OldestKey int       `dynamodbav:"oldestKey,omitempty"`
	Recipient string    `dynamodbav:"recipient,omitempty"`
	StorageID string    `dynamodbav:"storageId,omitempty"`
	Task      *taskItem `dynamodbav:"task,omitempty"`
}

func itemOfWorkspace(w dcm.Workspace) workspaceItem {
	i := workspaceItem{
		key: workspaceKey(w.TenantID, w.ID), ListKey: listKey(w.TenantID, kindWorkspace),
		ID: string(w.ID), RepoURL: w.RepoURL, Branch: w.Branch,
		CreatedAt: instantOf(w.CreatedAt), UpdatedAt: instantOf(w.UpdatedAt),
		ActiveVM: string(w.ActiveVM), CreatedBy: string(w.CreatedBy),
		Generation: w.Generation, Backup: itemOfBackup(w.Backup), KeyVersion: w.KeyVersion, Recipient: w.Recipient,
		StorageID: string(w.StorageID), Task: itemOfTask(w.Task), DueAt: epochSeconds(w.DueAt),
	}
	if i.DueAt != 0 {
		i.DueKind = dueKindOf(dueWorkspace, i.ID)
	}
	return i
}

func (i workspaceItem) workspace(t dcm.TenantID) dcm.Workspace {
	return dcm.Workspace{
		ID: dcm.WorkspaceID(i.ID), TenantID: t, RepoURL: i.RepoURL, Branch: i.Branch,
		CreatedAt: i.CreatedAt.time(), UpdatedAt: i.UpdatedAt.time(),
		ActiveVM: dcm.VMID(i.ActiveVM), CreatedBy: dcm.VMID(i.CreatedBy),
		Generation: i.Generation, Backup: i.Backup.backup(), KeyVersion: i.KeyVersion, Recipient: i.Recipient,
		StorageID: dcm.AccountID(i.StorageID), Task: i.Task.task(), DueAt: fromEpochSeconds(i.DueAt),
	}
}

// oldestKey is the version of the oldest key that may still exist.
func (i workspaceItem) oldestKey() int { return max(i.OldestKey, 1) }

func decodeWorkspace(raw map[string]types.AttributeValue) (workspaceItem, error) {
	var i workspaceItem
	err := attributevalue.UnmarshalMap(raw, &i)
	return i, err
}

type taskItem struct {
	Kind       string       `dynamodbav:"kind"`
	Target     string       `dynamodbav:"target,omitempty"`
	KeyVersion int          `dynamodbav:"keyVersion,omitempty"`
	Since      instant      `dynamodbav:"since"`
	Attempt    int          `dynamodbav:"attempt"`
	Upload     *uploadItem  `dynamodbav:"upload,omitempty"`
	Replaced   *backupItem  `dynamodbav:"replaced,omitempty"`
	Problem    *problemItem `dynamodbav:"problem,omitempty"`
}

func itemOfTask(t *dcm.WorkspaceTask) *taskItem {
	if t == nil {
		return nil
	}
	return &taskItem{
		Kind: string(t.Kind), Target: string(t.Target), KeyVersion: t.KeyVersion, Since: instantOf(t.Since), Attempt: t.Attempt,
		Upload: itemOfUpload(t.Upload), Replaced: itemOfBackup(t.Replaced), Problem: itemOfProblem(t.Problem),
	}
}

func (i *taskItem) task() *dcm.WorkspaceTask {
	if i == nil {
		return nil
	}
	return &dcm.WorkspaceTask{
		Kind: dcm.TaskKind(i.Kind), Target: dcm.AccountID(i.Target), KeyVersion: i.KeyVersion, Since: i.Since.time(), Attempt: i.Attempt,
		Upload: i.Upload.upload(), Replaced: i.Replaced.backup(), Problem: i.Problem.problem(),
	}
}
