package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func valueChecks() []check {
	checks := []check{
		{"every type is read back", func(f *fixture) {
			f.put(keyed("a", "1", item{"s": str(""), "n": num("-1.50"), "b": bin("\x00\xff"), "t": boolean(true), "f": boolean(false),
				"null": null(), "l": list(num("1"), str("x"), list()), "m": object(item{"in": object(item{}), "é": str("ü")}),
				"ss": strs("b", "a"), "ns": nums("2", "1.0"), "bs": bins("y", "x")}))
			f.holds("a", "1", `{b: b"\x00\xff", bs: <b"x", b"y">, f: false, l: [1, "x", []], m: {in: {}, é: "ü"}, n: -1.5, `+
				`ns: <1, 2>, null: null, pk: "a", s: "", sk: "1", ss: <"a", "b">, t: true}`)
		}},
		{"an empty set is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"x": strs()})), "may not be empty")
		}},
		{"a set with a member twice is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"x": strs("a", "b", "a")})), "duplicates")
			f.invalid(f.tryPut(keyed("a", "1", item{"x": nums("1", "1.0")})), "duplicates")
		}},
		{"a null that is false is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"x": &types.AttributeValueMemberNULL{}})), "Null attribute value types must have the value of true")
		}},
		{"a value nested 32 deep is kept", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": nested(31)}))
		}},
		{"a value nested too deep is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"x": nested(33)})), "Nesting Levels have exceeded supported limits")
		}},
	}
	for in, want := range map[string]string{
		"007": "7", "-0": "0", "+1": "1", "1.10": "1.1", ".5": "0.5", "5.": "5", "1e2": "100", "12e-1": "1.2", "1E+3": "1000",
		"0e999":                                  "0",
		"99999999999999999999999999999999999999": "99999999999999999999999999999999999999",
		"0.00000000000000000000000000000000000001234567": "0.00000000000000000000000000000000000001234567",
		"1E125":    "1" + strings.Repeat("0", 125),
		"-1E-130":  "-0." + strings.Repeat("0", 129) + "1",
		"9.9E+125": "99" + strings.Repeat("0", 124),
	} {
		checks = append(checks, check{"number " + in, func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num(in)}))
			f.equal(show(f.get("a", "1")["x"]), want)
		}})
	}
	for in, fragment := range map[string]string{
		"": "cannot be converted to a numeric value|cannot be converted into a number", "abc": "cannot be converted to a numeric value: abc|cannot be converted into a number",
		"1 ": "cannot be converted", "0x10": "cannot be converted", "NaN": "cannot be converted", "1e": "cannot be converted",
		"--1": "cannot be converted", "1.2.3": "cannot be converted", "1e+-2": "cannot be converted",
		"1E126": "Number overflow", "-1E126": "Number overflow", "1E-131": "Number underflow", "1e99999999999": "",
		strings.Repeat("1", 39): "more than 38 significant digits|precision up to 38 digits",
	} {
		checks = append(checks, check{"no number " + in, func(f *fixture) {
			f.invalid(f.tryPut(keyed("a", "1", item{"x": num(in)})), fragment)
		}})
	}
	return checks
}

// nested is a string inside so many lists.
func nested(depth int) types.AttributeValue {
	v := str("x")
	for range depth {
		v = list(v)
	}
	return v
}
