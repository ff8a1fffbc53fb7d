// Command bootstrap is the function vms-list.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.VmsList) }
