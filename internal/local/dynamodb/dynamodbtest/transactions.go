package dynamodbtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func transactionChecks() []check {
	return []check{
		{"all four actions in one", transactsAll},
		{"one failed condition cancels all", cancelsAll},
		{"a failed condition answers the item when asked", cancelsWithItem},
		{"every failure has its reason", func(f *fixture) {
			f.skipLocal("refuses the request, where the API reference lists this as a reason to cancel")
			f.put(keyed("a", "1", item{"s": str("x")}))
			err := f.transact(f.putAction(keyed("a", "0"), ""), f.checkAction(keyed("a", "2"), "attribute_exists(pk)"),
				f.updateAction(keyed("a", "1"), "SET s = s + :one", item{":one": num("1")}))
			f.reasons(err, "None ConditionalCheckFailed ValidationError")
			f.equal(f.get("a", "0") == nil, true)
		}},
		{"conditions see the state before it", func(f *fixture) {
			err := f.transact(f.putAction(keyed("a", "1"), ""), f.checkAction(keyed("a", "2"), "attribute_not_exists(pk)"))
			f.must(nil, err)
		}},
		{"it moves items in the index", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")))
			f.must(nil, f.transact(f.updateAction(keyed("a", "1"), "SET dueAt = :t", item{":t": num("9")}), f.putAction(keyed("a", "2", due("vm", "7")), "")))
			f.equal(column(f.query(dueQuery()).Items, "dueAt"), "7 9")
		}},
		{"an update in it creates an item", func(f *fixture) {
			f.must(nil, f.transact(f.updateAction(keyed("a", "1"), "ADD n :one", item{":one": num("1")})))
			f.holds("a", "1", `{n: 1, pk: "a", sk: "1"}`)
		}},
		{"the same token writes once", idempotentToken},
		{"the same token with another request is refused", func(f *fixture) {
			f.must(nil, f.transactOnce(f.table[:30], f.putAction(keyed("a", "1"), "")))
			f.refused(f.transactOnce(f.table[:30], f.putAction(keyed("a", "2"), "")), "IdempotentParameterMismatchException", "")
		}},
		{"a cancelled transaction does not use up its token", func(f *fixture) {
			action := f.putAction(keyed("a", "1"), "attribute_not_exists(pk)")
			f.put(keyed("a", "1"))
			f.reasons(f.transactOnce(f.table[:30], action), "ConditionalCheckFailed")
			f.must(f.Client.DeleteItem(f.Context(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: keyed("a", "1")}))
			f.must(nil, f.transactOnce(f.table[:30], action))
			f.equal(len(f.get("a", "1")), 2)
		}},
		{"racing transactions count every slot once", racesTransactions},
		{"get many at once", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1"), "y": num("2")}))
			out, err := f.Client.TransactGetItems(f.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
				{Get: &types.Get{TableName: &f.table, Key: keyed("a", "none")}},
				{Get: &types.Get{TableName: &f.table, Key: keyed("a", "1"), ProjectionExpression: ptr("x")}},
			}})
			f.must(out, err)
			f.equal(len(out.Responses[0].Item), 0)
			f.equal(showItem(out.Responses[1].Item), `{x: 1}`)
		}},
	}
}

func transactsAll(f *fixture) {
	f.put(keyed("a", "1"), keyed("a", "2", item{"n": num("1")}), keyed("a", "3"))
	err := f.transact(
		f.checkAction(keyed("a", "1"), "attribute_exists(pk)"),
		f.updateAction(keyed("a", "2"), "SET n = n + :one", item{":one": num("1")}),
		types.TransactWriteItem{Delete: &types.Delete{TableName: &f.table, Key: keyed("a", "3")}},
		f.putAction(keyed("a", "4"), "attribute_not_exists(pk)"))
	f.must(nil, err)
	f.equal(column(f.query(partitionQuery()).Items, "sk"), "1 2 4")
	f.holds("a", "2", `{n: 2, pk: "a", sk: "2"}`)
}

func cancelsAll(f *fixture) {
	f.put(keyed("a", "1"), keyed("a", "3"))
	err := f.transact(
		f.putAction(keyed("a", "2"), ""),
		f.putAction(keyed("a", "1", item{"x": num("1")}), "attribute_not_exists(pk)"),
		types.TransactWriteItem{Delete: &types.Delete{TableName: &f.table, Key: keyed("a", "3")}})
	f.reasons(err, "None ConditionalCheckFailed None")
	f.refused(err, "TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None]")
	f.equal(column(f.query(partitionQuery()).Items, "sk"), "1 3")
	f.equal(len(f.get("a", "1")), 2)
}

func cancelsWithItem(f *fixture) {
	f.put(keyed("a", "1", item{"x": num("1")}))
	asked, unasked := f.checkAction(keyed("a", "1"), "attribute_not_exists(pk)"), f.putAction(keyed("a", "2"), "attribute_exists(pk)")
	asked.ConditionCheck.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	f.put(keyed("a", "2"))
	err := f.transact(asked, unasked)
	cancelled := f.reasons(err, "ConditionalCheckFailed None")
	f.equal(showItem(cancelled[0].Item), `{pk: "a", sk: "1", x: 1}`)
	// DynamoDB Local ends the sentence with a full stop.
	f.equal(strings.TrimSuffix(*cancelled[0].Message, "."), "The conditional request failed")
	f.equal(len(cancelled[1].Item), 0)
}

func idempotentToken(f *fixture) {
	action := f.updateAction(keyed("a", "1"), "ADD n :one", item{":one": num("1")})
	f.must(nil, f.transactOnce(f.table[:30], action))
	f.must(nil, f.transactOnce(f.table[:30], action))
	f.holds("a", "1", `{n: 1, pk: "a", sk: "1"}`)
}

// racesTransactions has many callers each take one of three slots.
func racesTransactions(f *fixture) {
	f.put(keyed("a", "quota", item{"used": num("0")}))
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() {
			take := f.updateAction(keyed("a", "quota"), "SET used = used + :one", item{":one": num("1"), ":max": num("3")})
			take.Update.ConditionExpression = ptr("used < :max")
			// A conflict, which DynamoDB answers to some racers, is retried.
			for range 100 {
				errs[i] = f.transact(take, f.putAction(keyed("slot", fmt.Sprint(i)), "attribute_not_exists(pk)"))
				if errs[i] == nil || !strings.Contains(errs[i].Error(), "TransactionConflict") {
					return
				}
			}
		})
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		} else {
			f.reasons(err, "ConditionalCheckFailed None")
		}
	}
	f.equal(taken, 3)
	f.holds("a", "quota", `{pk: "a", sk: "quota", used: 3}`)
	f.equal(f.scan(&dynamodb.ScanInput{}).Count, int32(4))
}

func (f *fixture) putAction(i item, condition string) types.TransactWriteItem {
	p := &types.Put{TableName: &f.table, Item: i}
	if condition != "" {
		p.ConditionExpression = &condition
	}
	return types.TransactWriteItem{Put: p}
}

func (f *fixture) updateAction(key item, expression string, values item) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{TableName: &f.table, Key: key, UpdateExpression: &expression, ExpressionAttributeValues: values}}
}

func (f *fixture) checkAction(key item, condition string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &f.table, Key: key, ConditionExpression: &condition}}
}

// transactOnce writes under a ClientRequestToken.
func (f *fixture) transactOnce(token string, actions ...types.TransactWriteItem) error {
	_, err := f.Client.TransactWriteItems(f.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: actions, ClientRequestToken: &token})
	return err
}

// reasons wants a cancelled transaction with these reasons' codes.
func (f *fixture) reasons(err error, codes string) []types.CancellationReason {
	f.Helper()
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		f.Fatalf("want a cancelled transaction, got %v", err)
	}
	f.equal(strings.Join(shown(cancelled.CancellationReasons, func(r types.CancellationReason) string { return *r.Code }), " "), codes)
	return cancelled.CancellationReasons
}
