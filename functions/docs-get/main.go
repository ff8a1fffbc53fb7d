// Command bootstrap is the function docs-get.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.DocsGet) }
