package dynamodb_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/dynamodbtest"
)

// newClient builds the SDK's client for an endpoint. It does not retry, so
// that a check sees the first answer; but for a connection that is closed on
// this side while the answer is read, as now and then under load, we don't know
// by whom.
func newClient(endpoint string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:       "eu-central-1",
		BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(_ context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.Backoff = 3, retry.NewExponentialJitterBackoff(time.Millisecond)
			o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				return aws.BoolTernary(errors.Is(err, net.ErrClosed))
			})}
		}),
		HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	})
}

func serve(t testing.TB, o dynamodb.Options) (*dynamodb.Server, *sdk.Client) {
	s := dynamodb.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, newClient(h.URL)
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	dynamodbtest.Run(t, func(t *testing.T) dynamodbtest.Subject {
		_, client := serve(t, dynamodb.Options{})
		return dynamodbtest.Subject{Client: client}
	})
}

func TestBehaviourOfDynamoDBLocal(t *testing.T) {
	endpoint := os.Getenv("DCM_TEST_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("DCM_TEST_DYNAMODB_ENDPOINT names no DynamoDB Local; see .ci/dynamodb-local")
	}
	t.Parallel()
	dynamodbtest.Run(t, func(t *testing.T) dynamodbtest.Subject {
		return dynamodbtest.Subject{Client: newClient(endpoint), DynamoDBLocal: true}
	})
}

func TestSameAsDynamoDBLocal(t *testing.T) {
	endpoint := os.Getenv("DCM_TEST_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("DCM_TEST_DYNAMODB_ENDPOINT names no DynamoDB Local; see .ci/dynamodb-local")
	}
	t.Parallel()
	_, client := serve(t, dynamodb.Options{})
	dynamodbtest.Compare(t, dynamodbtest.Subject{Client: client}, dynamodbtest.Subject{Client: newClient(endpoint), DynamoDBLocal: true})
}
