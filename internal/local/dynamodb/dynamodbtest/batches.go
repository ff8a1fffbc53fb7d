package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func batchChecks() []check {
	return []check{
		{"get many", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1"), "y": num("2")}), keyed("a", "2"))
			out, err := f.batchGet(types.KeysAndAttributes{Keys: []item{keyed("a", "1"), keyed("a", "none")}, ProjectionExpression: ptr("x")})
			f.must(out, err)
			f.equal(len(out.Responses[f.table]), 1)
			f.equal(showItem(out.Responses[f.table][0]), `{x: 1}`)
			f.equal(len(out.UnprocessedKeys), 0)
		}},
		{"getting nothing is refused", func(f *fixture) {
			_, err := f.Client.BatchGetItem(f.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{}})
			f.invalid(err, "greater than or equal to 1|must have some requests set")
		}},
		{"getting a key twice is refused", func(f *fixture) {
			_, err := f.batchGet(types.KeysAndAttributes{Keys: []item{keyed("a", "1"), keyed("a", "1")}})
			f.invalid(err, "Provided list of item keys contains duplicates")
		}},
		{"getting over 100 is refused", func(f *fixture) {
			_, err := f.batchGet(types.KeysAndAttributes{Keys: manyKeys(101)})
			f.invalid(err, "")
		}},
		{"getting 100 works", func(f *fixture) {
			f.must(f.batchGet(types.KeysAndAttributes{Keys: manyKeys(100)}))
		}},
		{"get stops at 16 MB", func(f *fixture) {
			filler := str(strings.Repeat("x", 390<<10))
			for _, key := range manyKeys(45) {
				f.put(keyed("a", key["sk"].(*types.AttributeValueMemberS).Value, item{"x": filler}))
			}
			out, err := f.batchGet(types.KeysAndAttributes{Keys: manyKeys(45)})
			f.must(out, err)
			f.equal(len(out.Responses[f.table])+len(out.UnprocessedKeys[f.table].Keys), 45)
			f.equal(len(out.UnprocessedKeys[f.table].Keys) > 0, true)
		}},
		{"write many", func(f *fixture) {
			f.put(keyed("a", "1"))
			f.must(f.batchWrite(putRequest(keyed("a", "2", due("vm", "1"))), deleteRequest(keyed("a", "1"))))
			f.equal(f.get("a", "1") == nil, true)
			f.equal(column(f.query(dueQuery()).Items, "sk"), "2")
		}},
		{"writing one item twice is refused", func(f *fixture) {
			_, err := f.batchWrite(putRequest(keyed("a", "1")), deleteRequest(keyed("a", "1")))
			f.invalid(err, "Provided list of item keys contains duplicates")
		}},
		{"writing over 25 is refused", func(f *fixture) {
			var writes []types.WriteRequest
			for _, key := range manyKeys(26) {
				writes = append(writes, putRequest(key))
			}
			_, err := f.batchWrite(writes...)
			f.invalid(err, "")
			f.must(f.batchWrite(writes[1:]...))
		}},
		{"one bad item refuses the whole batch", func(f *fixture) {
			_, err := f.batchWrite(putRequest(keyed("a", "1")), putRequest(item{"pk": str("a")}))
			f.invalid(err, "")
			f.equal(f.get("a", "1") == nil, true)
		}},
		{"writing nothing is refused", func(f *fixture) {
			_, err := f.Client.BatchWriteItem(f.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{}})
			f.invalid(err, "greater than or equal to 1|no requests set")
		}},
	}
}

func (f *fixture) batchGet(k types.KeysAndAttributes) (*dynamodb.BatchGetItemOutput, error) {
	return f.Client.BatchGetItem(f.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{f.table: k}})
}

func (f *fixture) batchWrite(w ...types.WriteRequest) (*dynamodb.BatchWriteItemOutput, error) {
	return f.Client.BatchWriteItem(f.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{f.table: w}})
}

func putRequest(i item) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: i}}
}

func deleteRequest(key item) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}
}

func manyKeys(n int) []item {
	keys := make([]item, n)
	for i := range keys {
		keys[i] = keyed("a", fmt.Sprintf("%03d", i))
	}
	return keys
}
