package dynamodbtest

import (
	"crypto/rand"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// due is an item's place in the index.
func due(kind, at string) item { return item{"duePk": str(kind), "dueAt": num(at)} }

// dueQuery queries the index for kind vm.
func dueQuery() *dynamodb.QueryInput {
	return &dynamodb.QueryInput{IndexName: ptr("due"), KeyConditionExpression: ptr("duePk = :vm"), ExpressionAttributeValues: item{":vm": str("vm")}}
}

func indexChecks() []check {
	return []check{
		{"numbers are ordered by value", func(f *fixture) {
			for _, n := range []string{"10", "9", "-1", "-10", "0", "1.5", "1E+20", "100", "-0.001", "0.001", "1E-100", "-1E+20", "99999999999999999999999999999999999999", "99999999999999999999999999999999999998"} {
				f.put(keyed("a", n, due("vm", n)))
			}
			f.equal(column(f.query(dueQuery()).Items, "sk"),
				"-1E+20 -10 -1 -0.001 0 1E-100 0.001 1.5 9 10 100 1E+20 99999999999999999999999999999999999998 99999999999999999999999999999999999999")
		}},
		{"until a time", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")), keyed("a", "2", due("vm", "9")), keyed("a", "3", due("vm", "10")), keyed("b", "1", due("vm", "7")), keyed("a", "4", due("key", "1")))
			in := dueQuery()
			in.KeyConditionExpression, in.ExpressionAttributeValues[":until"] = ptr("duePk = :vm AND dueAt <= :until"), num("9")
			f.equal(column(f.query(in).Items, "dueAt"), "5 7 9")
		}},
		{"an item without the key is not in it", func(f *fixture) {
			f.put(keyed("a", "1"), keyed("a", "2", item{"duePk": str("vm")}), keyed("a", "3", item{"dueAt": num("1")}))
			f.equal(f.query(dueQuery()).Count, int32(0))
		}},
		{"an item leaves it when the key is removed", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")))
			f.must(nil, f.update("REMOVE duePk, dueAt", nil, nil))
			f.equal(f.query(dueQuery()).Count, int32(0))
			f.equal(len(f.get("a", "1")), 2)
		}},
		{"an item moves in it", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")), keyed("a", "2", due("vm", "6")))
			f.must(nil, f.update("SET dueAt = :t", nil, item{":t": num("7")}))
			f.equal(column(f.query(dueQuery()).Items, "sk"), "2 1")
		}},
		{"an item leaves it when deleted or replaced", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")), keyed("a", "2", due("vm", "6")), keyed("a", "2"))
			f.must(f.Client.DeleteItem(f.Context(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: keyed("a", "1")}))
			f.equal(f.query(dueQuery()).Count, int32(0))
		}},
		{"it shows an item's other changes", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")))
			f.must(nil, f.update("SET x = :t", nil, item{":t": num("7")}))
			f.equal(column(f.query(dueQuery()).Items, "x"), "7")
		}},
		{"many items may share its key", func(f *fixture) {
			for i := range 3 {
				f.put(keyed("a", fmt.Sprint(i), due("vm", "5")))
			}
			f.equal(f.query(dueQuery()).Count, int32(3))
		}},
		{"consistent reads are refused", func(f *fixture) {
			in := dueQuery()
			in.ConsistentRead = ptr(true)
			f.invalid(f.tryQuery(in), "Consistent reads are not supported on global secondary indexes")
		}},
		{"an empty or mistyped index key is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"duePk": str("")})), "IndexKey: duePk")
			f.invalid(f.tryPut(keyed("a", "1", item{"dueAt": str("5")})), "Type mismatch for Index Key dueAt Expected: N Actual: S IndexName: due|Type mismatch for Index Key")
		}},
		{"a query must name the index's hash key", func(f *fixture) {
			in := dueQuery()
			in.KeyConditionExpression = ptr("pk = :vm")
			f.invalid(f.tryQuery(in), "missed key schema element: duePk|missed key schema element")
		}},
		{"a filter may name the table's key but not the index's", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5")), keyed("b", "1", due("vm", "6")))
			in := dueQuery()
			in.FilterExpression, in.ExpressionAttributeValues[":b"] = ptr("pk = :b"), str("b")
			f.equal(column(f.query(in).Items, "pk"), "b")
			in.FilterExpression, in.ExpressionAttributeValues[":b"] = ptr("dueAt = :b"), num("5")
			f.invalid(f.tryQuery(in), "non-primary key")
		}},
	}
}

func indexPageChecks() []check {
	return []check{
		{"the last key has both keys", func(f *fixture) {
			f.put(keyed("a", "1", due("vm", "5"), item{"x": num("1")}))
			in := dueQuery()
			in.Limit = ptr(int32(1))
			f.equal(showItem(f.query(in).LastEvaluatedKey), `{dueAt: 5, duePk: "vm", pk: "a", sk: "1"}`)
		}},
		{"forwards through equal keys", func(f *fixture) { f.indexPages(true) }},
		{"backwards through equal keys", func(f *fixture) { f.indexPages(false) }},
		{"a start key without the table's key is refused", func(f *fixture) {
			in := dueQuery()
			in.ExclusiveStartKey = due("vm", "5")
			f.invalid(f.tryQuery(in), "The provided starting key is invalid")
		}},
		{"keys only", func(f *fixture) {
			f.projecting(&types.Projection{ProjectionType: types.ProjectionTypeKeysOnly})
			f.equal(showItem(f.query(dueQuery()).Items[0]), `{dueAt: 5, duePk: "vm", pk: "a", sk: "1"}`)
		}},
		{"keys and named attributes", func(f *fixture) {
			f.projecting(&types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"x"}})
			f.equal(showItem(f.query(dueQuery()).Items[0]), `{dueAt: 5, duePk: "vm", pk: "a", sk: "1", x: 1}`)
		}},
		{"what is not projected can't be had", func(f *fixture) {
			f.projecting(&types.Projection{ProjectionType: types.ProjectionTypeKeysOnly})
			in := dueQuery()
			in.Select = types.SelectAllAttributes
			f.invalid(f.tryQuery(in), "Select type ALL_ATTRIBUTES is not supported for global secondary index")
			in = dueQuery()
			in.ProjectionExpression = ptr("pk, y")
			f.invalid(f.tryQuery(in), "does not project")
		}},
		{"a filter on what is not projected is refused", func(f *fixture) {
			f.projecting(&types.Projection{ProjectionType: types.ProjectionTypeKeysOnly})
			in := dueQuery()
			in.FilterExpression = ptr("attribute_not_exists(x)")
			f.invalid(f.tryQuery(in), "does not project one or more filter attributes: [x]")
		}},
	}
}

func (f *fixture) indexPages(forward bool) {
	for i := range 7 {
		f.put(keyed("a", fmt.Sprint(i), due("vm", fmt.Sprint(i/4))))
	}
	in, seen, last := dueQuery(), map[string]bool{}, ""
	in.ScanIndexForward, in.Limit = &forward, ptr(int32(2))
	for {
		out := f.query(in)
		for _, i := range out.Items {
			at := show(i["dueAt"])
			f.equal(last == "" || forward && at >= last || !forward && at <= last, true)
			last = at
			f.equal(seen[show(i["sk"])], false)
			seen[show(i["sk"])] = true
		}
		if out.LastEvaluatedKey == nil {
			break
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	f.equal(len(seen), 7)
}

// projecting makes the fixture's table anew, its index with that projection,
// and puts one item.
func (f *fixture) projecting(p *types.Projection) {
	f.Helper()
	f.table = "check-" + rand.Text()
	d := f.definition()
	d.GlobalSecondaryIndexes[0].Projection = p
	d.TableName = aws.String(f.table)
	f.must(f.Client.CreateTable(f.Context(), d))
	f.put(keyed("a", "1", due("vm", "5"), item{"x": num("1"), "y": num("2")}))
}
