package app

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
)

// OpenapiGet builds openapi-get.
func OpenapiGet(a *App) (lambda.Handler, error) { return a.Endpoint(api.OpenapiGet()), nil }

// DocsGet builds docs-get.
func DocsGet(a *App) (lambda.Handler, error) { return a.Endpoint(api.DocsGet()), nil }
