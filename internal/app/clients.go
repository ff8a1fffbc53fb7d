package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/token"
)

// awsClients builds each AWS client on first use, from explicit options:
// loading the SDK's default configuration costs a cold start half as much again.
type awsClients struct {
	Credentials aws.CredentialsProvider
	dynamo      func() *dynamodb.Client
	kms         func() *kms.Client
	tokens      func() *token.Tokens
}

func newAWSClients(c Config, client *http.Client, getenv func(string) string, clock dcm.Clock) awsClients {
	credentials := environmentCredentials(getenv)
	a := awsClients{
		Credentials: credentials,
		dynamo: sync.OnceValue(func() *dynamodb.Client {
			return dynamodb.New(dynamodb.Options{
				Region: c.Region, Credentials: credentials, HTTPClient: client, BaseEndpoint: optional(c.Endpoints.DynamoDB),
			})
		}),
		kms: sync.OnceValue(func() *kms.Client {
			return kms.New(kms.Options{
				Region: c.Region, Credentials: credentials, HTTPClient: client, BaseEndpoint: optional(c.Endpoints.KMS),
			})
		}),
	}
	a.tokens = sync.OnceValue(func() *token.Tokens {
		return token.New(token.Options{KMS: a.kms(), KeyID: c.TokenKeyID, Installation: c.Installation, Clock: clock})
	})
	return a
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
	a.warm("table", func(ctx context.Context) error { return a.touch(ctx, a.dynamoURL()) })
	return store.New(a.aws.dynamo(), store.Options{
		Table: a.Config.TableName, DefaultQuotas: a.Config.Quotas, Clock: a.Clock,
	})
}

// Sealer seals under the installation's data key.
func (a *App) Sealer() dcm.Sealer {
	return envelope.New(envelope.Options{
		KMS:   a.aws.kms(),
		KeyID: a.Config.DataKeyID, Installation: a.Config.Installation, Random: a.Random,
	})
}

// AccountSealer opens tenants' accounts, and remembers for a while what it
// opened. It is one per function.
func (a *App) AccountSealer() dcm.Sealer { return a.accountSealer() }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (a *App) dynamoURL() string {
	if a.Config.Endpoints.DynamoDB != "" {
		return a.Config.Endpoints.DynamoDB
	}
	return fmt.Sprintf("https://dynamodb.%s.amazonaws.com", a.Config.Region)
}

// Tokens issues and verifies the VMs' tokens.
func (a *App) Tokens() *token.Tokens {
	t := a.aws.tokens()
	a.warm("token key", t.Warm)
	return t
}
