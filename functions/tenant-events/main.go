// Command bootstrap is the function tenant-events.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.TenantEvents) }
