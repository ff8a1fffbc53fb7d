package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// updateStart is what an update in updateChecks starts from.
func updateStart() item {
	return keyed("a", "1", item{"n": num("5"), "s": str("x"), "l": list(num("0"), num("1"), num("2")), "m": object(item{"a": num("1"), "b": object(item{"c": str("d")})}),
		"ss": strs("a", "b"), "ns": nums("1", "2")})
}

func updateChecks() []check {
	values := item{":one": num("1"), ":tenth": num("0.1"), ":x": str("X"), ":y": str("Y"), ":l": list(str("new")), ":ss": strs("b", "c"), ":a": strs("a"), ":ab": strs("a", "b"),
		":ns": nums("2.0", "3"), ":m": object(item{"z": num("9")}), ":big": num("99999999999999999999999999999999999998")}
	var checks []check
	for _, c := range []struct{ name, expression, returned string }{
		{"set", "SET s = :x, t = :y", `{s: "X", t: "Y"}`},
		{"set in lower case", "set s = :x", `{s: "X"}`},
		{"set adds", "SET n = n + :one", `{n: 6}`},
		{"set subtracts", "SET n = n - :tenth", `{n: 4.9}`},
		{"sums are exact", "SET big = :big + :one", `{big: 99999999999999999999999999999999999999}`},
		{"set if missing, present", "SET s = if_not_exists(s, :x)", `{s: "x"}`},
		{"set if missing, absent", "SET t = if_not_exists(t, :x)", `{t: "X"}`},
		{"count up from nothing", "SET t = if_not_exists(t, :one) + :one", `{t: 2}`},
		{"append", "SET l = list_append(l, :l)", `{l: [0, 1, 2, "new"]}`},
		{"prepend", "SET l = list_append(:l, l)", `{l: ["new", 0, 1, 2]}`},
		{"append to nothing", "SET q = list_append(if_not_exists(q, :l), :l)", `{q: ["new", "new"]}`},
		{"copy", "SET t = s, s = n", `{s: 5, t: "x"}`},
		{"swap from the old values", "SET m.a = n, n = m.a", `{m: {a: 5}, n: 1}`},
		{"set nested", "SET m.b.c = :x", `{m: {b: {c: "X"}}}`},
		{"set in a list", "SET l[1] = :x", `{l: ["X"]}`},
		{"remove", "REMOVE s, n", `{}`},
		{"remove nested", "REMOVE m.b.c", `{}`},
		{"remove from a list", "REMOVE l[0]", `{}`},
		{"remove what is absent", "REMOVE absent, m.gone", `{}`},
		{"add to a number", "ADD n :one", `{n: 6}`},
		{"add to nothing", "ADD t :one", `{t: 1}`},
		{"add to a set", "ADD ss :ss", `{ss: <"a", "b", "c">}`},
		{"add to a number set", "ADD ns :ns", `{ns: <1, 2, 3>}`},
		{"add nested", "ADD m.a :one", `{m: {a: 2}}`},
		{"delete from a set", "DELETE ss :a", `{ss: <"b">}`},
		{"delete from nothing", "DELETE t :a", `{}`},
		{"all sections", "SET s = :x REMOVE m ADD n :one DELETE ss :a", `{n: 6, s: "X", ss: <"b">}`},
		{"sections in any order", "ADD n :one SET s = :x", `{n: 6, s: "X"}`},
		{"set a whole map", "SET m = :m", `{m: {z: 9}}`},
	} {
		checks = append(checks, check{c.name, func(f *fixture) {
			f.put(updateStart())
			in := f.updateInput(c.expression, nil, used(c.expression, values))
			in.ReturnValues = types.ReturnValueUpdatedNew
			out, err := f.Client.UpdateItem(f.Context(), in)
			f.must(out, err)
			// DynamoDB Local answers the whole attribute, the service only the
			// parts that the update wrote.
			nested := strings.ContainsAny(c.expression, ".[")
			if !f.DynamoDBLocal || !nested {
				f.equal(showItem(out.Attributes), c.returned)
			}
		}})
	}
	return append(checks, updateDocumentChecks(values)...)
}

// updateDocumentChecks look at the whole item after an update.
func updateDocumentChecks(values item) []check {
	var checks []check
	for _, c := range []struct{ name, expression, attribute, want string }{
		{"remove really removes", "REMOVE s", "s", "absent"},
		{"remove from a list closes the gap", "REMOVE l[0]", "l", "[1, 2]"},
		{"remove several from a list", "REMOVE l[0], l[2]", "l", "[1]"},
		{"remove past a list's end", "REMOVE l[7]", "l", "[0, 1, 2]"},
		{"set past a list's end appends", "SET l[9] = :x", "l", `[0, 1, 2, "X"]`},
		{"several past a list's end keep their order", "SET l[9] = :x, l[8] = :y", "l", `[0, 1, 2, "Y", "X"]`},
		{"set and remove in one list", "SET l[1] = :x REMOVE l[0]", "l", `["X", 2]`},
		{"set nested keeps its neighbours", "SET m.z = :x", "m", `{a: 1, b: {c: "d"}, z: "X"}`},
		{"remove nested keeps its neighbours", "REMOVE m.a", "m", `{b: {c: "d"}}`},
		{"the last member takes its set along", "DELETE ss :ab", "ss", "absent"},
	} {
		checks = append(checks, check{c.name, func(f *fixture) {
			f.put(updateStart())
			f.must(nil, f.update(c.expression, nil, used(c.expression, values)))
			got := "absent"
			if v, ok := f.get("a", "1")[c.attribute]; ok {
				got = show(v)
			}
			f.equal(got, c.want)
		}})
	}
	return append(checks, []check{
		{"an update creates a missing item", func(f *fixture) {
			f.must(nil, f.update("SET x = :x", nil, item{":x": num("1")}))
			f.holds("a", "1", `{pk: "a", sk: "1", x: 1}`)
		}},
		{"an update of nothing creates the key", func(f *fixture) {
			in := f.updateInput("", nil, nil)
			in.UpdateExpression = nil
			f.must(f.Client.UpdateItem(f.Context(), in))
			f.holds("a", "1", `{pk: "a", sk: "1"}`)
		}},
		{"a failed condition creates nothing", func(f *fixture) {
			in := f.updateInput("SET x = :x", nil, item{":x": num("1")})
			in.ConditionExpression = ptr("attribute_exists(pk)")
			_, err := f.Client.UpdateItem(f.Context(), in)
			f.refused(err, "ConditionalCheckFailedException", "")
			f.equal(f.get("a", "1") == nil, true)
		}},
		{"return values old and new", returnsUpdated},
		{"an update that fails changes nothing", func(f *fixture) {
			f.put(updateStart())
			before := showItem(f.get("a", "1"))
			f.invalid(f.update("SET s = :x, t = absent", nil, item{":x": str("X")}), "")
			f.holds("a", "1", before)
		}},
	}...)
}

func returnsUpdated(f *fixture) {
	f.skipLocal("answers the whole map")
	for _, c := range []struct {
		want   types.ReturnValue
		answer string
	}{
		{types.ReturnValueNone, `{}`},
		{types.ReturnValueAllOld, `{m: {a: 1, b: 2}, n: 5, pk: "a", sk: "1"}`},
		{types.ReturnValueAllNew, `{m: {a: 2, b: 2}, n: 5, pk: "a", sk: "1", t: 1}`},
		{types.ReturnValueUpdatedOld, `{m: {a: 1}}`},
		{types.ReturnValueUpdatedNew, `{m: {a: 2}, t: 1}`},
	} {
		f.put(keyed("a", "1", item{"n": num("5"), "m": object(item{"a": num("1"), "b": num("2")})}))
		in := f.updateInput("SET m.a = m.a + :one, t = :one", nil, item{":one": num("1")})
		in.ReturnValues = c.want
		out, err := f.Client.UpdateItem(f.Context(), in)
		f.must(out, err)
		f.equal(showItem(out.Attributes), c.answer)
	}
}
