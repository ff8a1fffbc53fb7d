// Command bootstrap is the function openapi-get.
package main

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

func main() { app.Start(app.OpenapiGet) }
