package dynamodbtest

import (
	"fmt"
)

func updateRefusalChecks() []check {
	values := item{":one": num("1"), ":x": str("X"), ":l": list(str("new")), ":ss": strs("b"), ":max": num("9E+125"), ":tiny": num("1E-130")}
	var checks []check
	for _, c := range []struct{ expression, fragment string }{
		{"", "The expression can not be empty"}, {"SET", "Syntax error"}, {"SET s", "Syntax error"}, {"SET s = ", "Syntax error"}, {"SET s = :x,", "Syntax error"}, {"s = :x", "Syntax error"},
		{"SET s = :x SET t = :x", "can only be used once"}, {"PUT s = :x", "Syntax error"}, {"SET s = :x AND t = :x", "Syntax error"}, {"REMOVE s = :x", "Syntax error"},
		{"ADD n n", "Syntax error"}, {"SET name = :x", "reserved keyword"}, {"REMOVE ttl", "reserved keyword"},
		{"SET s = :undefined", "not defined"}, {"SET s = :x, s = :x", "overlap"}, {"SET m = :x, m.a = :x", "overlap"}, {"SET s = :x REMOVE s", "overlap"}, {"SET m.a = :x, m[0] = :x", "conflict"},
		{"SET pk = :x", "Cannot update attribute pk. This attribute is part of the key"}, {"REMOVE sk", "Cannot update attribute sk"}, {"SET pk.a = :x", ""},
		{"SET s = absent", "refers to an attribute that does not exist in the item"}, {"SET n = absent + :one", "refers to an attribute that does not exist in the item"},
		{"SET n = n + :x", "Incorrect operand type"}, {"SET s = s + :one", "incorrect data type"}, {"SET l = list_append(l, :x)", "Incorrect operand type"}, {"SET s = list_append(s, :l)", "incorrect data type"},
		{"ADD n :x", "Incorrect operand type"}, {"ADD s :one", "incorrect data type"}, {"ADD n :l", "Incorrect operand type"}, {"ADD n :ss", "incorrect data type"}, {"ADD ns :ss", "incorrect data type"},
		{"DELETE ss :one", "Incorrect operand type"}, {"DELETE n :ss", "incorrect data type"},
		{"SET gone.a = :x", "document path provided in the update expression is invalid for update"}, {"SET s.a = :x", "invalid for update"}, {"SET s[0] = :x", "invalid for update"}, {"SET m[0] = :x", "invalid for update"},
		{"SET l.a = :x", "invalid for update"}, {"REMOVE gone.a", "invalid for update"}, {"SET l[9].a = :x", "invalid for update"},
		{"SET s = bogus(s)", "Invalid function name"}, {"SET s = size(s)", "not allowed in an update expression"}, {"SET s = attribute_exists(s)", "not allowed in an update expression"},
		{"SET s = if_not_exists(:x, :x)", "requires a document path"}, {"SET s = if_not_exists(s, s)", "first operand must be distinct"}, {"SET s = if_not_exists(s)", "Incorrect number of operands"}, {"SET l = list_append(l)", "Incorrect number of operands"},
		{"SET n = :max + :max", "overflow"}, {"SET n = :max + :tiny", "38 significant digits|precision up to 38 digits"},
		{"SET duePk = :one", "Type mismatch for Index Key duePk|Type mismatch for Index Key"}, {"SET dueAt = :x", "Type mismatch for Index Key dueAt|Type mismatch for Index Key"},
		{"SET n = n + :one + :one", "Syntax error"},
	} {
		checks = append(checks, check{fmt.Sprintf("refuses %q", c.expression), func(f *fixture) {
			f.put(updateStart())
			before := showItem(f.get("a", "1"))
			f.invalid(f.update(c.expression, nil, used(c.expression, values)), c.fragment)
			f.holds("a", "1", before)
		}})
	}
	return checks
}
