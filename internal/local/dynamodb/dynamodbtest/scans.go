package dynamodbtest

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func scanChecks() []check {
	return []check{
		{"in pages it meets every item once", func(f *fixture) {
			f.fill()
			in, keys := &dynamodb.ScanInput{Limit: ptr(int32(2))}, []string{}
			for {
				out := f.scan(in)
				for _, i := range out.Items {
					keys = append(keys, show(i["pk"])+show(i["sk"]))
				}
				if out.LastEvaluatedKey == nil {
					break
				}
				in.ExclusiveStartKey = out.LastEvaluatedKey
			}
			slices.Sort(keys)
			f.equal(strings.Join(keys, " "), `"a""VM#1" "a""VM#2" "a""VM#3" "a""VM#4" "a""VM#5" "a""WS#1" "b""VM#1"`)
		}},
		{"a filter may name the key", func(f *fixture) {
			f.fill()
			out := f.scan(&dynamodb.ScanInput{FilterExpression: ptr("sk = :1"), ExpressionAttributeValues: item{":1": str("VM#1")}, ConsistentRead: ptr(true)})
			f.equal(out.Count, int32(2))
			f.equal(out.ScannedCount, int32(7))
		}},
		{"an index holds only items with its key", func(f *fixture) {
			f.fill()
			f.put(keyed("c", "1", item{"duePk": str("vm"), "dueAt": num("1")}))
			f.equal(column(f.scan(&dynamodb.ScanInput{IndexName: ptr("due")}).Items, "pk"), "c")
		}},
		{"a count", func(f *fixture) {
			f.fill()
			out := f.scan(&dynamodb.ScanInput{Select: types.SelectCount})
			f.equal(out.Count, int32(7))
			f.equal(len(out.Items), 0)
		}},
		{"a partition's items come in order", func(f *fixture) {
			f.fill()
			out := f.scan(&dynamodb.ScanInput{FilterExpression: ptr("pk = :a"), ExpressionAttributeValues: item{":a": str("a")}})
			f.equal(column(out.Items, "sk"), "VM#1 VM#2 VM#3 VM#4 VM#5 WS#1")
		}},
	}
}
