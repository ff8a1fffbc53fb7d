// Command bootstrap is the function sweep-orphans.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/cloud"
)

func main() { app.Start(cloud.SweepOrphans) }
