package dynamodb

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// WriteError answers r with an injected error. Code is an error code as
// DynamoDB names it (ProvisionedThroughputExceededException,
// InternalServerError, …). What belongs in a cancellation reason
// (TransactionConflict, ConditionalCheckFailed, ThrottlingError,
// ProvisionedThroughputExceeded) cancels a transaction: its first action has
// that reason. Elsewhere TransactionConflict is the exception of that name.
func WriteError(w http.ResponseWriter, r *http.Request, code string) {
	transaction := Operation(r) == "TransactWriteItems" || Operation(r) == "TransactGetItems"
	switch code {
	case "TransactionConflict", codeTransactionConflict:
		if !transaction {
			writeFault(w, faultf(codeTransactionConflict, "Transaction is ongoing for the item"))
			return
		}
		writeFault(w, injectedCancellation(r, reason{Code: "TransactionConflict", Message: "Transaction is ongoing for the item"}))
		return
	case "ConditionalCheckFailed", "ThrottlingError", "ProvisionedThroughputExceeded":
		if transaction {
			writeFault(w, injectedCancellation(r, reason{Code: code, Message: injectedMessage(code)}))
			return
		}
	case codeTransactionCanceled:
		writeFault(w, injectedCancellation(r, reason{Code: "TransactionConflict", Message: "Transaction is ongoing for the item"}))
		return
	}
	writeFault(w, faultf(code, "%s", injectedMessage(code)))
}

// injectedCancellation cancels the transaction in r for one reason. Clients
// match reasons to actions by position, so there are as many as actions.
func injectedCancellation(r *http.Request, first reason) *fault {
	var request struct{ TransactItems []json.RawMessage }
	if body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes)); err == nil {
		_ = json.Unmarshal(body, &request)
	}
	others := slices.Repeat([]reason{{Code: "None"}}, max(0, len(request.TransactItems)-1))
	return cancelled(append([]reason{first}, others...))
}

func injectedMessage(code string) string {
	switch code {
	case "ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded":
		return "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
	case "ThrottlingException", "ThrottlingError":
		return "Throughput exceeds the current capacity for one or more global secondary indexes"
	case codeConditionFailed, "ConditionalCheckFailed":
		return "The conditional request failed"
	case codeInternal:
		return "Internal server error"
	}
	return "injected by the local stack"
}
