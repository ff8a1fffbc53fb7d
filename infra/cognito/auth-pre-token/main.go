// Command bootstrap is the function auth-pre-token of infra/cognito.yaml.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/infra/cognito"
)

func main() { lambda.Start(cognito.PreToken) }
