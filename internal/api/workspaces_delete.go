package api

import (
	"context"

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
		Handle: orderOnWorkspace(func(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error) {
			return d.Delete(ctx, t, id)
		}),
	}
}
