// Command bootstrap is the function admin-quotas-put.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.AdminQuotasPut) }
