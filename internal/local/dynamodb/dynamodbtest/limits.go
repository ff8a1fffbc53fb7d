package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// sized is an item of exactly so many bytes, names included.
func sized(pk, sk string, bytes int) item {
	return keyed(pk, sk, item{"x": str(strings.Repeat("x", bytes-len("pk"+"sk"+"x"+pk+sk)))})
}

func limitChecks() []check {
	return []check{
		{"an item of 400 KB is kept", func(f *fixture) {
			f.put(sized("a", "1", 400<<10))
		}},
		{"an item over 400 KB is refused", func(f *fixture) {
			f.invalid(f.tryPut(sized("a", "1", 400<<10+1)), "Item size has exceeded the maximum allowed size")
		}},
		{"an update to over 400 KB is refused", func(f *fixture) {
			f.put(sized("a", "1", 400<<10))
			f.invalid(f.update("SET y = :y", nil, item{":y": str("")}), "Item size to update has exceeded the maximum allowed size")
			f.equal(len(f.get("a", "1")), 3)
		}},
		{"a transaction to over 400 KB is cancelled", func(f *fixture) {
			f.put(sized("a", "1", 400<<10))
			f.reasons(f.transact(f.updateAction(keyed("a", "1"), "SET y = :y", item{":y": str("")})), "ValidationError")
		}},
		{"keys have limits", func(f *fixture) {
			f.put(keyed(strings.Repeat("p", 2048), strings.Repeat("s", 1024)))
			f.invalid(f.tryPut(keyed(strings.Repeat("p", 2049), "s")), "2048 bytes")
			f.invalid(f.tryPut(keyed("p", strings.Repeat("s", 1025))), "1024 bytes")
		}},
		{"a page of a query ends at 1 MB", func(f *fixture) {
			for i := range 5 {
				f.put(sized("a", fmt.Sprint(i), 300<<10))
			}
			out := f.query(partitionQuery())
			f.equal(out.Count, int32(4))
			f.equal(showItem(out.LastEvaluatedKey), `{pk: "a", sk: "3"}`)
			in := partitionQuery()
			in.ExclusiveStartKey = out.LastEvaluatedKey
			out = f.query(in)
			f.equal(column(out.Items, "sk"), "4")
			f.equal(out.LastEvaluatedKey == nil, true)
		}},
		{"filtered items count towards 1 MB", func(f *fixture) {
			for i := range 5 {
				f.put(sized("a", fmt.Sprint(i), 300<<10))
			}
			out := f.scan(&dynamodb.ScanInput{FilterExpression: ptr("attribute_exists(gone)")})
			f.equal(out.Count, int32(0))
			f.equal(out.ScannedCount, int32(4))
			f.equal(out.LastEvaluatedKey != nil, true)
		}},
	}
}
