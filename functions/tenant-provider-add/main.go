// Command bootstrap is the function tenant-provider-add.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/cloud"
)

func main() { app.Start(cloud.TenantProviderAdd) }
