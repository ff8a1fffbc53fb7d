package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type deleter interface {
	Delete(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error)
}

// WorkspacesDelete is DELETE /workspaces/{id}: it answers before the deletion is done.
func WorkspacesDelete(d deleter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "workspaces-delete",
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
			w, err := d.Delete(ctx, r.Principal.Tenant, id)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
			}
			return httpapi.JSON(http.StatusAccepted, viewWorkspace(w)), nil
		},
	}
}
