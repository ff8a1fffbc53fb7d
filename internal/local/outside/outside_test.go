package outside_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/outside"
)

// The world is the real SDK's counterpart, and holds its callers to their roles.
func TestCallsAreJudgedByTheCallersRole(t *testing.T) {
	t.Parallel()
	world, err := outside.Start(t.Context(), filepath.Join("..", "..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = world.Close() })
	env := world.Environment(*world.Template.Function("vms-get"))
	table := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_DYNAMODB"]), Credentials: as("vms-get"), RetryMaxAttempts: 1,
	})
	key := map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "TENANT#acme"}, "SK": &types.AttributeValueMemberS{Value: "VM#vm-aaaaaaaaaa"},
	}

	if _, err := table.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Table"), Key: key}); err != nil {
		t.Errorf("what the role allows fails: %v", err)
	}
	if refused := world.Roles.Refused(); len(refused) != 0 {
		t.Errorf("refused so far: %v", refused)
	}

	_, err = table.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Table"), Item: key})
	mustRefuse(t, world, err, "vms-get may not dynamodb:PutItem")
	_, err = table.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Delete: &types.Delete{TableName: aws.String("Table"), Key: key}},
	}})
	mustRefuse(t, world, err, "vms-get may not dynamodb:DeleteItem")

	foreign := map[string]types.AttributeValue{"PK": &types.AttributeValueMemberS{Value: "OTHER#x"}, "SK": key["SK"]}
	_, err = table.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Table"), Key: foreign})
	mustRefuse(t, world, err, "[OTHER#x]")

	keys := kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_KMS"]), Credentials: as("vms-create"), RetryMaxAttempts: 1,
	})
	_, err = keys.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: aws.String(env["DATA_KEY_ID"]), KeySpec: "AES_256",
		EncryptionContext: map[string]string{"installation": "dcm", "purpose": "workspace-key"},
	})
	mustRefuse(t, world, err, "vms-create may not kms:GenerateDataKey")

	answer, err := http.Get(env["AWS_ENDPOINT_URL_S3"] + "/dcm-local/x?X-Amz-Credential=vms-list%2F20261124%2Feu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a presigned read by vms-list answers %s", answer.Status)
	}
	mustRefuse(t, world, http.ErrNotSupported, "vms-list may not s3:GetObject")
}

func as(function string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: function, SecretAccessKey: "not-a-secret-on-loopback"}, nil
	})
}

func mustRefuse(t *testing.T, world *outside.World, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: the call went through", want)
	}
	if all := strings.Join(world.Roles.Refused(), "\n"); !strings.Contains(all, want) {
		t.Errorf("noted is %q, want %q in it", all, want)
	}
}
