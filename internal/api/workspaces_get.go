package api

import (
	"context"
	"net/http"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// Workspace is a workspace as the API shows it.
type Workspace struct {
	ID         dcm.WorkspaceID `json:"id"`
	TenantID   dcm.TenantID    `json:"tenantId"`
	RepoURL    string          `json:"repoUrl"`
	Branch     *string         `json:"branch"`
	ActiveVMID *string         `json:"activeVmId"`
	Generation int64           `json:"generation"`
	KeyVersion int             `json:"keyVersion"`
	Backup     *Backup         `json:"backup"`
	// Storage is where backups go: "platform" or "custom".
	Storage string `json:"storage"`
	// Task is what is still to be done to the workspace; null for nothing.
	Task      *WorkspaceTask `json:"task"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// WorkspaceTask is what is still to be done to a workspace: "rotate", "move" or
// "delete", since it was ordered, and why the last attempt failed, if it did.
type WorkspaceTask struct {
	Kind    dcm.TaskKind `json:"kind"`
	Since   time.Time    `json:"since"`
	Problem *dcm.Problem `json:"problem"`
}

// Backup is a workspace's newest verified backup. Size is in bytes, SHA256 in
// lower-case hex; both are of the encrypted object.
type Backup struct {
	ID         dcm.BackupID `json:"id"`
	Key        string       `json:"key"`
	Size       int64        `json:"size"`
	SHA256     string       `json:"sha256"`
	KeyVersion int          `json:"keyVersion"`
	Generation int64        `json:"generation"`
	TakenAt    time.Time    `json:"takenAt"`
}

// WorkspacesGet is GET /workspaces/{id}.
func WorkspacesGet(store dcm.Store) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "workspaces-get",
		Permission: dcm.PermissionWorkspacesRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			id, err := workspaceID(r)
			if err != nil {
				return httpapi.Response{}, err
			}
			w, err := store.Tenant(r.Principal.Tenant).Workspace(ctx, id)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
			}
			return httpapi.JSON(http.StatusOK, viewWorkspace(w)), nil
		},
	}
}

// workspaceID is the workspace in the path. An id that can't exist answers as
// one that doesn't.
func workspaceID(r *httpapi.Request) (dcm.WorkspaceID, error) {
	id := dcm.WorkspaceID(r.Path["id"])
	if !id.Valid() {
		return "", errNoWorkspace
	}
	return id, nil
}

func viewWorkspace(w dcm.Workspace) Workspace {
	v := Workspace{
		ID: w.ID, TenantID: w.TenantID, RepoURL: w.RepoURL, Branch: optional(w.Branch),
		ActiveVMID: optional(string(w.ActiveVM)), Generation: w.Generation, KeyVersion: w.KeyVersion,
		Storage: "platform", CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
	if w.StorageID != dcm.PlatformAccount {
		v.Storage = "custom"
	}
	if t := w.Task; t != nil {
		v.Task = &WorkspaceTask{Kind: t.Kind, Since: t.Since, Problem: t.Problem}
	}
	if b := w.Backup; b != nil {
		v.Backup = &Backup{
			ID: b.ID, Key: b.Key, Size: b.SizeBytes, SHA256: b.SHA256,
			KeyVersion: b.KeyVersion, Generation: b.Generation, TakenAt: b.TakenAt,
		}
	}
	return v
}

// orderOnWorkspace answers a request that orders something to be done to a
// workspace, and is answered before it is done.
func orderOnWorkspace(order func(context.Context, dcm.TenantID, dcm.WorkspaceID) (dcm.Workspace, error)) func(context.Context, *httpapi.Request) (httpapi.Response, error) {
	return func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
		id, err := workspaceID(r)
		if err != nil {
			return httpapi.Response{}, err
		}
		if err := dcm.InvalidFields(unknownParameters(r.Query)...); err != nil {
			return httpapi.Response{}, err
		}
		w, err := order(ctx, r.Principal.Tenant, id)
		if err != nil {
			return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
		}
		return httpapi.JSON(http.StatusAccepted, viewWorkspace(w)), nil
	}
}
