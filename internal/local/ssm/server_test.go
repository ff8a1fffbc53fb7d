package ssm_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/ssm"
)

func dial(t *testing.T, h http.Handler) *awsssm.Client {
	t.Helper()
	front := httptest.NewServer(h)
	t.Cleanup(front.Close)
	return awsssm.New(awsssm.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func server() *ssm.Server {
	return ssm.New(ssm.Options{Parameters: map[string]dcm.Secret{"/dcm/hcloud-token": dcm.NewSecret("token-1"), "/dcm/cloudflare-token": dcm.NewSecret("token-2")}})
}

func TestGetParameter(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t, server()), context.Background()
	out, err := c.GetParameter(ctx, &awsssm.GetParameterInput{Name: aws.String("/dcm/hcloud-token"), WithDecryption: aws.Bool(true)})
	if err != nil || *out.Parameter.Value != "token-1" || out.Parameter.Type != types.ParameterTypeSecureString {
		t.Fatalf("got %+v, %v", out, err)
	}
	out, err = c.GetParameter(ctx, &awsssm.GetParameterInput{Name: aws.String("/dcm/hcloud-token")})
	if err != nil || *out.Parameter.Value == "token-1" {
		t.Errorf("without decryption: got %v, %v", out, err)
	}
	_, err = c.GetParameter(ctx, &awsssm.GetParameterInput{Name: aws.String("/dcm/none")})
	if _, ok := errors.AsType[*types.ParameterNotFound](err); !ok {
		t.Errorf("an unknown name: got %v", err)
	}
}

func TestGetParameters(t *testing.T) {
	t.Parallel()
	c := dial(t, server())
	out, err := c.GetParameters(context.Background(), &awsssm.GetParametersInput{
		Names: []string{"/dcm/cloudflare-token", "/dcm/none", "/dcm/hcloud-token"}, WithDecryption: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Parameters) != 2 || *out.Parameters[0].Value != "token-2" || *out.Parameters[1].Value != "token-1" {
		t.Errorf("got %+v", out.Parameters)
	}
	if len(out.InvalidParameters) != 1 || out.InvalidParameters[0] != "/dcm/none" {
		t.Errorf("invalid: got %v", out.InvalidParameters)
	}
}

// TestOperations: what is said to be simulated is.
func TestOperations(t *testing.T) {
	t.Parallel()
	for _, name := range ssm.Operations() {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "AmazonSSM."+name)
		w := httptest.NewRecorder()
		server().ServeHTTP(w, r)
		if ssm.Operation(r) != name || strings.Contains(w.Body.String(), "UnknownOperation") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	if _, err := dial(t, server()).DescribeParameters(context.Background(), &awsssm.DescribeParametersInput{}); err == nil {
		t.Error("an operation that is not here succeeded")
	}
	var operation string
	c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation = ssm.Operation(r)
		ssm.WriteError(w, r, "InternalServerError")
	}))
	_, err := c.GetParameter(context.Background(), &awsssm.GetParameterInput{Name: aws.String("x")})
	if _, ok := errors.AsType[*types.InternalServerError](err); !ok || operation != "GetParameter" {
		t.Errorf("got %v of %q", err, operation)
	}
}
