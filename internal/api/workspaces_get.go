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
	CreatedAt  time.Time       `json:"createdAt"`
	UpdatedAt  time.Time       `json:"updatedAt"`
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
			id := dcm.WorkspaceID(r.Path["id"])
			if !id.Valid() {
				return httpapi.Response{}, errNoWorkspace
			}
			w, err := store.Tenant(r.Principal.Tenant).Workspace(ctx, id)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
			}
			return httpapi.JSON(http.StatusOK, viewWorkspace(w)), nil
		},
	}
}

func viewWorkspace(w dcm.Workspace) Workspace {
	v := Workspace{
		ID: w.ID, TenantID: w.TenantID, RepoURL: w.RepoURL, Branch: optional(w.Branch),
		ActiveVMID: optional(string(w.ActiveVM)), Generation: w.Generation, KeyVersion: w.KeyVersion,
		CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
	if b := w.Backup; b != nil {
		v.Backup = &Backup{
			ID: b.ID, Key: b.Key, Size: b.SizeBytes, SHA256: b.SHA256,
			KeyVersion: b.KeyVersion, Generation: b.Generation, TakenAt: b.TakenAt,
		}
	}
	return v
}
