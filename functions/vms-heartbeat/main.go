// Command bootstrap is the function vms-heartbeat.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.VmsHeartbeat) }
