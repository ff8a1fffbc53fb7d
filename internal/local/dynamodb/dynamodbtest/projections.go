package dynamodbtest

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

func projectionChecks() []check {
	subject := keyed("a", "1", item{"n": num("5"), "name": str("x"), "l": list(num("0"), object(item{"a": num("1"), "b": num("2")}), num("2")),
		"m": object(item{"a": num("1"), "b": object(item{"c": str("d"), "e": num("1")})})})
	var checks []check
	for _, c := range []struct {
		expression string
		names      names
		want       string
	}{
		{"n", nil, `{n: 5}`},
		{"n, absent", nil, `{n: 5}`},
		{"absent", nil, `{}`},
		{"#n, pk", names{"#n": "name"}, `{name: "x", pk: "a"}`},
		{"m.b.c", nil, `{m: {b: {c: "d"}}}`},
		{"m.b.c, m.a", nil, `{m: {a: 1, b: {c: "d"}}}`},
		{"m.gone.x", nil, `{}`},
		{"l[2], l[0]", nil, `{l: [0, 2]}`},
		{"l[1].b", nil, `{l: [{b: 2}]}`},
		{"l[9]", nil, `{}`},
		{"n.a", nil, `{}`},
	} {
		checks = append(checks, check{c.expression, func(f *fixture) {
			f.put(subject)
			out, err := f.project(c.expression, c.names)
			f.must(out, err)
			f.equal(showItem(out.Item), c.want)
		}})
	}
	for _, c := range []struct{ expression, fragment string }{
		{"", "The expression can not be empty"}, {"n,", "Syntax error"}, {"n n", "Syntax error"}, {"name", "reserved keyword"}, {"#x", "not defined"}, {"n, n", "overlap"},
		{"m, m.a", "overlap"}, {"m.a, m[0]", "conflict"}, {"size(n)", ""}, {":v", "Syntax error"},
	} {
		checks = append(checks, check{fmt.Sprintf("refuses %q", c.expression), func(f *fixture) {
			_, err := f.project(c.expression, nil)
			f.invalid(err, c.fragment)
		}})
	}
	return checks
}

func (f *fixture) project(expression string, n names) (*dynamodb.GetItemOutput, error) {
	return f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed("a", "1"),
		ProjectionExpression: &expression, ExpressionAttributeNames: n})
}
