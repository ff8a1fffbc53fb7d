package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type rotator interface {
	RotateKey(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error)
}

// WorkspacesRotateKey is POST /workspaces/{id}/rotate-key: it answers with the new
// key's version, before the backup is re-encrypted to it.
func WorkspacesRotateKey(keys rotator) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "workspaces-rotate-key",
		Permission: dcm.PermissionWorkspacesWrite,
		Audit:      httpapi.AuditPath("workspaces"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			id, err := workspaceID(r)
			if err != nil {
				return httpapi.Response{}, err
			}
			if err := dcm.InvalidFields(unknownParameters(r.Query)...); err != nil {
				return httpapi.Response{}, err
			}
			w, err := keys.RotateKey(ctx, r.Principal.Tenant, id)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
			}
			return httpapi.JSON(http.StatusAccepted, viewWorkspace(w)), nil
		},
	}
}
