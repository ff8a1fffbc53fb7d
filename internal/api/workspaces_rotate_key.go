package api

import (
	"context"

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
		Handle: orderOnWorkspace(func(ctx context.Context, t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, error) {
			return keys.RotateKey(ctx, t, id)
		}),
	}
}
