package dynamodbtest

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (f *fixture) put(items ...item) {
	f.Helper()
	for _, i := range items {
		f.must(f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: i}))
	}
}

// tryPut returns the error of putting one item.
func (f *fixture) tryPut(i item) error {
	_, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: i})
	return err
}

// putIf puts an item under a condition.
func (f *fixture) putIf(i item, condition string, n names, values item) error {
	_, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: i,
		ConditionExpression: &condition, ExpressionAttributeNames: n, ExpressionAttributeValues: values})
	return err
}

// get reads an item, strongly consistent; nil if there is none.
func (f *fixture) get(pk, sk string) item {
	f.Helper()
	consistent := true
	out, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed(pk, sk), ConsistentRead: &consistent})
	f.must(out, err)
	return out.Item
}

// holds wants an item to hold exactly this; see show.
func (f *fixture) holds(pk, sk, want string) {
	f.Helper()
	f.equal(showItem(f.get(pk, sk)), want)
}

// update updates the item a, 1.
func (f *fixture) update(expression string, n names, values item) error {
	_, err := f.Client.UpdateItem(f.Context(), f.updateInput(expression, n, values))
	return err
}

func (f *fixture) updateInput(expression string, n names, values item) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{TableName: &f.table, Key: keyed("a", "1"),
		UpdateExpression: &expression, ExpressionAttributeNames: n, ExpressionAttributeValues: values}
}

func (f *fixture) query(in *dynamodb.QueryInput) *dynamodb.QueryOutput {
	f.Helper()
	in.TableName = &f.table
	out, err := f.Client.Query(f.Context(), in)
	f.must(out, err)
	return out
}

func (f *fixture) tryQuery(in *dynamodb.QueryInput) error {
	in.TableName = &f.table
	_, err := f.Client.Query(f.Context(), in)
	return err
}

func (f *fixture) scan(in *dynamodb.ScanInput) *dynamodb.ScanOutput {
	f.Helper()
	in.TableName = &f.table
	out, err := f.Client.Scan(f.Context(), in)
	f.must(out, err)
	return out
}

// transact writes in one transaction.
func (f *fixture) transact(actions ...types.TransactWriteItem) error {
	_, err := f.Client.TransactWriteItems(f.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: actions})
	return err
}
