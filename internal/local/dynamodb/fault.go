package dynamodb

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// The error codes the engine itself answers.
const (
	codeValidation          = "ValidationException"
	codeConditionFailed     = "ConditionalCheckFailedException"
	codeTransactionCanceled = "TransactionCanceledException"
	codeTransactionConflict = "TransactionConflictException"
	codeIdempotentMismatch  = "IdempotentParameterMismatchException"
	codeNotFound            = "ResourceNotFoundException"
	codeInUse               = "ResourceInUseException"
	codeInternal            = "InternalServerError"
	codeSerialization       = "SerializationException"
	codeUnknownOperation    = "UnknownOperationException"
	codeMissingToken        = "MissingAuthenticationTokenException"
)

// fault is an error answer.
type fault struct {
	code    string
	message string
	// item is what failed a condition, if the caller asked for it.
	item attribute.Item
	// reasons, of a cancelled transaction, are one for every action.
	reasons []reason
}

// reason is why one action of a transaction failed, Code "None" if it didn't.
type reason struct {
	Code    string
	Message string         `json:",omitempty"`
	Item    attribute.Item `json:",omitempty"`
}

// Error returns code and message.
func (f *fault) Error() string { return f.code + ": " + f.message }

func faultf(code, format string, args ...any) *fault {
	return &fault{code: code, message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *fault { return faultf(codeValidation, format, args...) }

// unsupported refuses what DynamoDB has and this engine has not.
func unsupported(what string) *fault {
	return invalid("%s is not offered by the local DynamoDB", what)
}

// asFault makes the answer for any error.
func asFault(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[*attribute.InvalidError](err); ok {
		return invalid("%s", e.Message)
	}
	return faultf(codeInternal, "%v", err)
}

// status is the HTTP status of an error code.
func status(code string) int {
	switch code {
	case codeInternal, "InternalFailure":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// namespace is what precedes the error code in __type.
func namespace(code string) string {
	switch code {
	case codeValidation, "ThrottlingException":
		return "com.amazon.coral.validate#"
	case codeSerialization, codeUnknownOperation, codeMissingToken, "AccessDeniedException",
		"UnrecognizedClientException", "ServiceUnavailable", "InternalFailure":
		return "com.amazon.coral.service#"
	}
	return "com.amazonaws.dynamodb.v20120810#"
}

// body is the fault as DynamoDB writes it.
func (f *fault) body() []byte {
	body, _ := json.Marshal(struct {
		Type    string         `json:"__type"`
		Message string         `json:"message"`
		Item    attribute.Item `json:",omitempty"`
		Reasons []reason       `json:"CancellationReasons,omitempty"`
	}{namespace(f.code) + f.code, f.message, f.item, f.reasons})
	return body
}

// cancelled is the fault of a transaction of which some action failed.
func cancelled(reasons []reason) *fault {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.Code
	}
	f := faultf(codeTransactionCanceled,
		"Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	f.reasons = reasons
	return f
}
