package store_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	ddb "github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
)

// backend is a DynamoDB to test against.
type backend struct {
	name     string
	endpoint func(t *testing.T, clock dcm.Clock) string
	// options adjust a client to the backend.
	options func(*dynamodb.Options)
}

// backends are the local stack's engine and, where the variable names its
// endpoint, another, such as Amazon's DynamoDB Local.
func backends() []backend {
	all := []backend{{
		name: "local",
		endpoint: func(t *testing.T, clock dcm.Clock) string {
			server := httptest.NewServer(ddb.New(ddb.Options{Clock: clock}))
			t.Cleanup(server.Close)
			return server.URL
		},
		options: func(*dynamodb.Options) {},
	}}
	if endpoint := os.Getenv("DCM_TEST_DYNAMODB_ENDPOINT"); endpoint != "" {
		all = append(all, backend{
			name:     "external",
			endpoint: func(*testing.T, dcm.Clock) string { return endpoint },
			options:  func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: inTurn} },
		})
	}
	return all
}

// inTurn has few requests under way at once. DynamoDB Local does all its work
// behind one lock, and fails a request that waits for it too long, which it
// says "will succeed in actual DynamoDB".
var inTurn = turnstile(make(chan struct{}, 4))

type turnstile chan struct{}

func (t turnstile) RoundTrip(r *http.Request) (*http.Response, error) {
	t <- struct{}{}
	defer func() { <-t }()
	return http.DefaultTransport.RoundTrip(r)
}

// onEachBackend runs a test on every backend.
func onEachBackend(t *testing.T, run func(t *testing.T, b backend)) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) { run(t, b) })
	}
}

// client makes a client as app does, with explicit options only.
func (b backend) client(endpoint string, change ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, append([]func(*dynamodb.Options){b.options}, change...)...)
}

// newTable makes the store's table under a name of its own.
func newTable(t *testing.T, c *dynamodb.Client) string {
	t.Helper()
	name := fmt.Sprintf("dcm-test-%d-%d", os.Getpid(), tables.Add(1))
	if _, err := c.CreateTable(t.Context(), store.TableSchema().CreateTable(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)})
	})
	return name
}

var tables atomic.Int64
