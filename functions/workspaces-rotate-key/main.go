// Command bootstrap is the function workspaces-rotate-key.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
)

func main() { app.Start(objects.WorkspacesRotateKey) }
