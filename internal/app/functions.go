package app

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// VmsGet builds vms-get.
func VmsGet(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.VmsGet(a.Store(), a.Links())), nil
}

// VmsList builds vms-list.
func VmsList(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.VmsList(a.Store(), a.Links())), nil
}

// WorkspacesGet builds workspaces-get.
func WorkspacesGet(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.WorkspacesGet(a.Store())), nil
}

// WorkspacesList builds workspaces-list.
func WorkspacesList(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.WorkspacesList(a.Store())), nil
}

// WorkspacesDelete builds workspaces-delete.
func WorkspacesDelete(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.WorkspacesDelete(&lifecycle.Workspaces{Common: a.Common()})), nil
}
