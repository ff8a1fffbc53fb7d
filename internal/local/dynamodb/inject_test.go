package dynamodb_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

// failing is a client whose every call is answered with an injected error.
func failing(t *testing.T, code string) *sdk.Client {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { dynamodb.WriteError(w, r, code) }))
	t.Cleanup(h.Close)
	return newClient(h.URL)
}

func TestInjectedErrorsReachTheClientAsTheirType(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		"ProvisionedThroughputExceededException": 400, "ThrottlingException": 400, "RequestLimitExceeded": 400, "TransactionConflictException": 400,
		"AccessDeniedException": 400, "ResourceNotFoundException": 400, "ConditionalCheckFailedException": 400, "TransactionInProgressException": 400,
		"InternalServerError": 500, "ServiceUnavailable": 503,
	} {
		_, err := failing(t, code).GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("plain"),
			Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}}})
		apiErr, ok := errors.AsType[smithy.APIError](err)
		if !ok || apiErr.ErrorCode() != code {
			t.Errorf("%s arrived as %v", code, err)
			continue
		}
		response, ok := errors.AsType[*smithyhttp.ResponseError](err)
		if !ok || response.HTTPStatusCode() != status {
			t.Errorf("%s: want status %d: %v", code, status, err)
		}
	}
}

func TestInjectedConflictCancelsATransaction(t *testing.T) {
	t.Parallel()
	put := types.TransactWriteItem{Put: &types.Put{TableName: aws.String("plain"), Item: map[string]types.AttributeValue{}}}
	for _, code := range []string{"TransactionConflict", "ThrottlingError", "ConditionalCheckFailed", "ProvisionedThroughputExceeded"} {
		_, err := failing(t, code).TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put, put, put}})
		cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok || len(cancelled.CancellationReasons) != 3 || *cancelled.CancellationReasons[0].Code != code || *cancelled.CancellationReasons[2].Code != "None" {
			t.Errorf("%s arrived as %v", code, err)
		}
	}
}
