// Command bootstrap is the function vms-heartbeat.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
)

func main() { app.Start(keys.VmsHeartbeat) }
