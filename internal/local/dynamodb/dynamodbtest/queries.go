package dynamodbtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// fill puts a/VM#1…5, a/WS#1, b/VM#1; x counts up, even says if x is even.
func (f *fixture) fill() {
	f.Helper()
	for i := 1; i <= 5; i++ {
		f.put(keyed("a", fmt.Sprintf("VM#%d", i), item{"x": num(fmt.Sprint(i)), "even": boolean(i%2 == 0)}))
	}
	f.put(keyed("a", "WS#1"), keyed("b", "VM#1"))
}

func queryChecks() []check {
	values := item{":a": str("a"), ":none": str("none"), ":vm": str("VM#"), ":2": str("VM#2"), ":4": str("VM#4"), ":true": boolean(true), ":n": num("1"), ":empty": str("")}
	var checks []check
	for _, c := range []struct{ condition, want string }{
		{"pk = :a", "VM#1 VM#2 VM#3 VM#4 VM#5 WS#1"}, {"pk = :none", ""}, {"pk = :a AND sk = :2", "VM#2"}, {"pk = :a AND begins_with(sk, :vm)", "VM#1 VM#2 VM#3 VM#4 VM#5"},
		{"pk = :a AND sk < :2", "VM#1"}, {"pk = :a AND sk <= :2", "VM#1 VM#2"}, {"pk = :a AND sk > :4", "VM#5 WS#1"}, {"pk = :a AND sk >= :4", "VM#4 VM#5 WS#1"},
		{"pk = :a AND sk BETWEEN :2 AND :4", "VM#2 VM#3 VM#4"}, {"sk = :2 AND pk = :a", "VM#2"}, {"(pk = :a) AND (begins_with (sk, :vm))", "VM#1 VM#2 VM#3 VM#4 VM#5"}, {"(pk = :a AND sk > :4)", "VM#5 WS#1"},
	} {
		checks = append(checks, check{c.condition, func(f *fixture) {
			f.fill()
			out := f.query(&dynamodb.QueryInput{KeyConditionExpression: &c.condition, ExpressionAttributeValues: used(c.condition, values)})
			f.equal(column(out.Items, "sk"), c.want)
			f.equal(out.LastEvaluatedKey == nil, true)
			out = f.query(&dynamodb.QueryInput{KeyConditionExpression: &c.condition, ExpressionAttributeValues: used(c.condition, values), ScanIndexForward: ptr(false)})
			f.equal(column(out.Items, "sk"), reversed(c.want))
		}})
	}
	for _, c := range []struct{ condition, fragment string }{
		{"sk = :a", "missed key schema element: pk|missed key schema element"}, {"pk > :a", "not supported"}, {"begins_with(pk, :a)", "not supported"}, {"pk = :a OR sk = :a", "Invalid operator used in KeyConditionExpression: OR"},
		{"NOT pk = :a", "Invalid operator used in KeyConditionExpression: NOT"}, {"pk = :a AND sk <> :a", "Invalid operator used in KeyConditionExpression: <>"}, {"pk = :a AND x = :a", "missed key schema element: sk|missed key schema element"},
		{"pk = :a AND sk IN (:a)", "Invalid operator used in KeyConditionExpression: IN"}, {"pk = :a AND contains(sk, :a)", "Invalid operator used in KeyConditionExpression: contains"},
		{"pk = :a AND attribute_exists(sk)", "Invalid operator used in KeyConditionExpression: attribute_exists"}, {"pk = :a AND sk = :a AND sk = :a", "one condition per key"},
		{"pk = :n", "Condition parameter type does not match schema type"}, {"pk = :a AND sk < :n", "Condition parameter type does not match schema type"}, {"pk = :empty", "empty string value"},
		{"pk = :a AND sk = x", ""}, {"pk = :a AND sk BETWEEN :4 AND :2", "upper bound to be greater"}, {"", "The expression can not be empty"},
	} {
		checks = append(checks, check{fmt.Sprintf("refuses %q", c.condition), func(f *fixture) {
			f.invalid(f.tryQuery(&dynamodb.QueryInput{KeyConditionExpression: &c.condition, ExpressionAttributeValues: used(c.condition, values)}), c.fragment)
		}})
	}
	return append(checks, queryOptionChecks()...)
}

func reversed(words string) string {
	fields := strings.Fields(words)
	for i, j := 0, len(fields)-1; i < j; i, j = i+1, j-1 {
		fields[i], fields[j] = fields[j], fields[i]
	}
	return strings.Join(fields, " ")
}

// partitionQuery queries all of partition a.
func partitionQuery() *dynamodb.QueryInput {
	return &dynamodb.QueryInput{KeyConditionExpression: ptr("pk = :a"), ExpressionAttributeValues: item{":a": str("a")}}
}

func queryOptionChecks() []check {
	return []check{
		{"a filter keeps what it holds for and counts the rest", func(f *fixture) {
			f.fill()
			in := partitionQuery()
			in.FilterExpression, in.ExpressionAttributeValues[":t"] = ptr("even = :t"), boolean(true)
			out := f.query(in)
			f.equal(column(out.Items, "sk"), "VM#2 VM#4")
			f.equal(out.Count, int32(2))
			f.equal(out.ScannedCount, int32(6))
		}},
		{"a filter on the key is refused", func(f *fixture) {
			in := partitionQuery()
			in.FilterExpression = ptr("attribute_exists(sk)")
			f.invalid(f.tryQuery(in), "Filter Expression can only contain non-primary key attributes")
		}},
		{"the limit comes before the filter", func(f *fixture) {
			f.fill()
			in := partitionQuery()
			in.FilterExpression, in.ExpressionAttributeValues[":t"], in.Limit = ptr("even = :t"), boolean(true), ptr(int32(3))
			out := f.query(in)
			f.equal(column(out.Items, "sk"), "VM#2")
			f.equal(showItem(out.LastEvaluatedKey), `{pk: "a", sk: "VM#3"}`)
		}},
		{"a projection", func(f *fixture) {
			f.fill()
			in := partitionQuery()
			in.ProjectionExpression, in.Limit = ptr("x"), ptr(int32(1))
			f.equal(showItem(f.query(in).Items[0]), `{x: 1}`)
		}},
		{"a count answers no items", func(f *fixture) {
			f.fill()
			in := partitionQuery()
			in.Select = types.SelectCount
			out := f.query(in)
			f.equal(out.Count, int32(6))
			f.equal(len(out.Items), 0)
		}},
		{"a count with a projection is refused", func(f *fixture) {
			in := partitionQuery()
			in.Select, in.ProjectionExpression = types.SelectCount, ptr("x")
			f.invalid(f.tryQuery(in), "Cannot specify")
		}},
		{"pages forwards", func(f *fixture) { f.pages(true, 2, "VM#1 VM#2|VM#3 VM#4|VM#5 WS#1|") }},
		{"pages backwards", func(f *fixture) { f.pages(false, 4, "WS#1 VM#5 VM#4 VM#3|VM#2 VM#1") }},
		{"a page goes on after a deleted item", func(f *fixture) {
			f.fill()
			in := partitionQuery()
			in.ExclusiveStartKey = keyed("a", "VM#44")
			f.equal(column(f.query(in).Items, "sk"), "VM#5 WS#1")
		}},
		{"a limit of 0 is refused", func(f *fixture) {
			in := partitionQuery()
			in.Limit = ptr(int32(0))
			f.invalid(f.tryQuery(in), "greater than or equal to 1")
		}},
		{"a start key of another partition is refused", func(f *fixture) {
			in := partitionQuery()
			in.ExclusiveStartKey = keyed("b", "VM#1")
			f.invalid(f.tryQuery(in), "The provided starting key is outside query boundaries based on provided conditions|does not match the range key predicate")
		}},
		{"half a start key is refused", func(f *fixture) {
			in := partitionQuery()
			in.ExclusiveStartKey = item{"pk": str("a")}
			f.invalid(f.tryQuery(in), "The provided starting key is invalid|must have same size as table's key schema")
		}},
		{"a start key of the wrong type is refused", func(f *fixture) {
			in := partitionQuery()
			in.ExclusiveStartKey = item{"pk": str("a"), "sk": num("1")}
			f.invalid(f.tryQuery(in), "The provided starting key is invalid|Type mismatch")
		}},
		{"a query without a key condition is refused", func(f *fixture) {
			f.invalid(f.tryQuery(&dynamodb.QueryInput{}), "must be specified")
		}},
		{"an unknown index is refused", func(f *fixture) {
			in := partitionQuery()
			in.IndexName = ptr("none")
			f.invalid(f.tryQuery(in), "The table does not have the specified index")
		}},
		{"sort keys are ordered by bytes", func(f *fixture) {
			for _, sk := range []string{"b", "a\x00", "a", "B", "ab", "é", "\U0001F600", "\uFF5E"} {
				f.put(keyed("a", sk))
			}
			f.equal(column(f.query(partitionQuery()).Items, "sk"), "B a a\\x00 ab b é \uFF5E \U0001F600")
		}},
	}
}

// pages reads partition a page by page and wants the sort keys so.
func (f *fixture) pages(forward bool, limit int32, want string) {
	f.Helper()
	f.fill()
	in, got := partitionQuery(), []string{}
	in.ScanIndexForward, in.Limit = &forward, &limit
	for {
		out := f.query(in)
		got = append(got, column(out.Items, "sk"))
		if out.LastEvaluatedKey == nil {
			break
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	f.equal(strings.Join(got, "|"), want)
}
