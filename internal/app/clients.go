package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
)

// awsClients builds each AWS client on first use, from explicit options:
// loading the SDK's default configuration costs a cold start half as much again.
type awsClients struct {
	Credentials aws.CredentialsProvider
	dynamo      func() *dynamodb.Client
}

func newAWSClients(c Config, client *http.Client, getenv func(string) string) awsClients {
	credentials := environmentCredentials(getenv)
	return awsClients{
		Credentials: credentials,
		dynamo: sync.OnceValue(func() *dynamodb.Client {
			return dynamodb.New(dynamodb.Options{
				Region: c.Region, Credentials: credentials, HTTPClient: client, BaseEndpoint: Address(c.Endpoints.DynamoDB),
			})
		}),
	}
}

// environmentCredentials reads the role's credentials where Lambda puts them.
func environmentCredentials(getenv func(string) string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := aws.Credentials{
			AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken: getenv("AWS_SESSION_TOKEN"), Source: "environment",
		}
		if !c.HasKeys() {
			return aws.Credentials{}, errors.New("the environment holds no AWS credentials")
		}
		return c, nil
	})
}

// Credentials are the function's own AWS credentials.
func (a *App) Credentials() aws.CredentialsProvider { return a.aws.Credentials }

// Store is the table.
func (a *App) Store() dcm.Store {
	a.Ahead("table", func(ctx context.Context) error { return a.touch(ctx, a.dynamoURL()) })
	return store.New(a.aws.dynamo(), store.Options{
		Table: a.Config.TableName, DefaultQuotas: a.Config.Quotas, Clock: a.Clock,
	})
}

// Address is a service's address as its client takes it; nil for its own.
func Address(address string) *string {
	if address == "" {
		return nil
	}
	return &address
}

func (a *App) dynamoURL() string {
	if a.Config.Endpoints.DynamoDB != "" {
		return a.Config.Endpoints.DynamoDB
	}
	return fmt.Sprintf("https://dynamodb.%s.amazonaws.com", a.Config.Region)
}
