package dynamodbtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func transactionRefusalChecks() []check {
	return []check{
		{"two actions on one item", func(f *fixture) {
			f.invalid(f.transact(f.putAction(keyed("a", "1"), ""), f.checkAction(keyed("a", "1"), "attribute_exists(pk)")),
				"Transaction request cannot include multiple operations on one item")
			f.equal(f.get("a", "1") == nil, true)
		}},
		{"no action", func(f *fixture) {
			f.invalid(f.transact([]types.TransactWriteItem{}...), "")
		}},
		{"an action that is none", func(f *fixture) {
			f.invalid(f.transact(types.TransactWriteItem{}), "")
		}},
		{"an action that is two", func(f *fixture) {
			both := f.putAction(keyed("a", "1"), "")
			both.Delete = &types.Delete{TableName: &f.table, Key: keyed("a", "2")}
			f.invalid(f.transact(both), "TransactItems can only contain one of Check, Put, Update or Delete")
		}},
		{"over 100 actions", func(f *fixture) {
			var actions []types.TransactWriteItem
			for _, key := range manyKeys(101) {
				actions = append(actions, f.putAction(key, ""))
			}
			f.invalid(f.transact(actions...), "less than or equal to 100")
			f.must(nil, f.transact(actions[1:]...))
			f.equal(f.scan(&dynamodb.ScanInput{}).Count, int32(100))
		}},
		{"over 4 MB", func(f *fixture) {
			var actions []types.TransactWriteItem
			for i := range 12 {
				actions = append(actions, f.putAction(keyed("a", fmt.Sprint(i), item{"x": str(strings.Repeat("x", 380<<10))}), ""))
			}
			// DynamoDB Local cuts off at its own reading of the limit; both refuse.
			f.invalid(f.transact(actions...), "")
			f.equal(f.scan(&dynamodb.ScanInput{}).Count, int32(0))
		}},
		{"an expression that is wrong", func(f *fixture) {
			f.invalid(f.transact(f.putAction(keyed("a", "1"), ""), f.updateAction(keyed("a", "2"), "SET status = :x", item{":x": str("x")})), "reserved keyword")
			f.equal(f.get("a", "1") == nil, true)
		}},
		{"an unused value", func(f *fixture) {
			f.invalid(f.transact(f.updateAction(keyed("a", "2"), "SET s = :x", item{":x": str("x"), ":y": str("y")})), "unused in expressions")
		}},
		{"an update of the key", func(f *fixture) {
			f.refusedOrCancelled(f.transact(f.updateAction(keyed("a", "2"), "SET sk = :x", item{":x": str("x")})), "Cannot update attribute sk")
		}},
		{"a key that does not fit", func(f *fixture) {
			f.refusedOrCancelled(f.transact(f.updateAction(item{"pk": str("a")}, "SET s = :x", item{":x": str("x")})), "The provided key element does not match the schema|number of conditions on the keys")
		}},
		{"an item without its key", func(f *fixture) {
			f.refusedOrCancelled(f.transact(f.putAction(item{"pk": str("a")}, "")), "Missing the key sk in the item|required keys was not given")
		}},
		{"a mistyped index key", func(f *fixture) {
			f.refusedOrCancelled(f.transact(f.putAction(keyed("a", "1", item{"dueAt": str("x")}), "")), "Type mismatch for Index Key dueAt|Type mismatch for Index Key")
		}},
		{"a table that is not there", func(f *fixture) {
			other := f.putAction(keyed("a", "2"), "")
			other.Put.TableName = ptr("no-such-table")
			f.refused(f.transact(f.putAction(keyed("a", "1"), ""), other), "ResourceNotFoundException", "")
			f.equal(f.get("a", "1") == nil, true)
		}},
		{"a token over 36 characters", func(f *fixture) {
			f.invalid(f.transactOnce(strings.Repeat("t", 37), f.putAction(keyed("a", "1"), "")), "less than or equal to 36")
		}},
		{"getting an item twice", func(f *fixture) {
			get := types.TransactGetItem{Get: &types.Get{TableName: &f.table, Key: keyed("a", "1")}}
			_, err := f.Client.TransactGetItems(f.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{get, get}})
			f.invalid(err, "Transaction request cannot include multiple operations on one item")
		}},
	}
}

// refusedOrCancelled takes either, with the fragment as its message: where the
// service finds such an error is not documented.
func (f *fixture) refusedOrCancelled(err error, fragment string) {
	f.Helper()
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		f.invalid(err, fragment)
		return
	}
	r := cancelled.CancellationReasons[0]
	f.equal(*r.Code, "ValidationError")
	words, localWords, _ := strings.Cut(fragment, "|")
	if !strings.Contains(*r.Message, words) && !(f.DynamoDBLocal && strings.Contains(*r.Message, localWords)) {
		f.Fatalf("want %q, got %q", fragment, *r.Message)
	}
}
