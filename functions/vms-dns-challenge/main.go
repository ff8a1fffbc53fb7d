// Command bootstrap is the function vms-dns-challenge.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/zones"
)

func main() { app.Start(zones.VmsDNSChallenge) }
