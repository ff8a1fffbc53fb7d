// Command bootstrap is the function workspaces-list.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.WorkspacesList) }
