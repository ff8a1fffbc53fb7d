package dynamodbtest

import (
	"fmt"
	"strings"
)

// expressionChecks want expressions refused, whatever the item.
func expressionChecks() []check {
	values := item{":s": str("abc"), ":t": str("abd"), ":n": num("5"), ":m": object(item{}), ":bool": boolean(true), ":bad": str("X"), ":l": list()}
	var checks []check
	for _, c := range []struct{ condition, fragment string }{
		{"", "The expression can not be empty"}, {"  ", ""}, {"s =", "Syntax error"}, {"s = :s AND", "Syntax error"}, {"s == :s", "Syntax error"}, {"s = :s)", "Syntax error"},
		{"(s = :s", "Syntax error"}, {"s", "Syntax error"}, {"s ! :s", "Syntax error"}, {"s-t = :s", "Syntax error"}, {"s[x] = :s", "Syntax error"}, {"s. = :s", "Syntax error"},
		{"s = 'abc'", "Syntax error"}, {"s = 5", "Syntax error"}, {"s IN :s", "Syntax error"}, {"s BETWEEN :s", "Syntax error"}, {"a.#.b = :s", "Syntax error"}, {"SET s = :s", "reserved keyword|Syntax error"},
		{"((s = :s))", "redundant parentheses"}, {"s = :s AND ((s = :t))", "redundant parentheses"},
		{"s = :undefined", "An expression attribute value used in expression is not defined; attribute value: :undefined"},
		{"#undefined = :s", "An expression attribute name used in the document path is not defined; attribute name: #undefined"},
		{"status = :s", "reserved keyword; reserved keyword: status"}, {"m.Name = :s", "reserved keyword"}, {"TTL = :s", "reserved keyword"},
		{"attribute_exists(region)", "reserved keyword"}, {"size(name) = :n", "reserved keyword"},
		{"bogus(s)", "Invalid function name; function: bogus"}, {"SIZE(s) = :n", "Invalid function name"}, {"if_not_exists(s, :s)", "not allowed in a condition expression"},
		{"attribute_exists(s, t)", "Incorrect number of operands"}, {"begins_with(s)", "Incorrect number of operands"}, {"attribute_exists(:s)", "requires a document path"},
		{"attribute_exists(s) = :s", "Syntax error|not allowed to be used this way"}, {"size(s)", ""}, {"s = attribute_exists(s)", "not allowed to be used this way"},
		{"begins_with(s, :n)", "Incorrect operand type"}, {"s < :m", "Incorrect operand type"}, {"s >= :bool", "Incorrect operand type"}, {"s BETWEEN :l AND :l", "Incorrect operand type"},
		{"attribute_type(s, :bad)", "Invalid attribute type name found"}, {"attribute_type(s, :n)", "Incorrect operand type"}, {"size(:n) = :n", "Incorrect operand type"},
		{"s BETWEEN :t AND :s", "upper bound to be greater than or equal to lower bound"}, {"s BETWEEN :s AND :n", "same data type"},
		{"s = s", "first operand must be distinct"}, {"s IN (:s, s)", "first operand must be distinct"},
	} {
		checks = append(checks, check{fmt.Sprintf("refuses %q", c.condition), func(f *fixture) {
			err := f.putIf(keyed("a", "1"), c.condition, nil, used(c.condition, values))
			f.invalid(err, c.fragment)
			f.equal(f.get("a", "1") == nil, true)
		}})
	}
	return append(checks, placeholderChecks()...)
}

func placeholderChecks() []check {
	exists := "attribute_not_exists(pk)"
	return []check{
		{"an unused value is refused", func(f *fixture) {
			f.invalid(f.putIf(keyed("a", "1"), exists, nil, item{":a": str("x"), ":b": str("y")}),
				"Value provided in ExpressionAttributeValues unused in expressions: keys: {:")
		}},
		{"an unused name is refused", func(f *fixture) {
			f.invalid(f.putIf(keyed("a", "1"), exists, names{"#a": "x"}, nil),
				"Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}")
		}},
		{"a misnamed placeholder is refused", func(f *fixture) {
			f.invalid(f.putIf(keyed("a", "1"), "x = :a", nil, item{":a": str("x"), "b": str("y")}), "ExpressionAttributeValues contains invalid key")
			f.invalid(f.putIf(keyed("a", "1"), "#a = :a", names{"#a": "x", "#b-c": "x"}, item{":a": str("x")}), "ExpressionAttributeNames contains invalid key")
		}},
		{"a name stands for any attribute", func(f *fixture) {
			f.put(keyed("a", "1", item{"status": str("x"), "odd.name-": str("y")}))
			f.must(nil, f.putIf(keyed("a", "1"), "#s = :x AND #odd = :y", names{"#s": "status", "#odd": "odd.name-"}, item{":x": str("x"), ":y": str("y")}))
		}},
		{"an expression over 4 KB is refused", func(f *fixture) {
			f.invalid(f.putIf(keyed("a", "1"), exists+strings.Repeat(" ", 4097), nil, nil), "Expression size has exceeded the maximum allowed size")
		}},
		{"IN takes 100 values and no more", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1")}))
			in := func(n int) string { return "x IN (" + strings.Repeat(":one, ", n-1) + ":one)" }
			f.must(nil, f.putIf(keyed("a", "1"), in(100), nil, item{":one": num("1")}))
			f.invalid(f.putIf(keyed("a", "1"), in(101), nil, item{":one": num("1")}), "number of operands")
		}},
	}
}
