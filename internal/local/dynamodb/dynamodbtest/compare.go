package dynamodbtest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"
)

// Compare makes random conditional updates against two subjects and wants
// the same outcome from both: the same error code, or the same item.
func Compare(t *testing.T, a, b Subject) {
	left, right := newFixture(t, a), newFixture(t, b)
	values := comparedValues()
	rapid.Check(t, func(t *rapid.T) {
		update := updates().Draw(t, "update")
		condition := conditions(2).Draw(t, "condition")
		got, want := left.outcome(update, condition, values), right.outcome(update, condition, values)
		if got != want {
			t.Fatalf("%s IF %s\n left %s\nright %s", update, condition, got, want)
		}
	})
}

func comparedValues() item {
	return item{":s": str("abc"), ":t": str("ab"), ":n": num("5"), ":k": num("-0.5"), ":ss": strs("a", "b"), ":ns": nums("1", "2"), ":l": list(num("5"), str("ab")),
		":m": object(item{"a": num("5")}), ":b": bin("abc"), ":y": boolean(true), ":z": null()}
}

// outcome starts from the same item each time.
func (f *fixture) outcome(update, condition string, values item) string {
	f.put(keyed("a", "1", item{"s": str("abc"), "n": num("5"), "l": list(num("5"), object(item{"x": str("ab")})), "m": object(item{"a": num("5"), "b": object(item{"c": str("abc")})}),
		"ss": strs("a", "b", "c"), "ns": nums("1", "2"), "b": bin("ab"), "y": boolean(true), "z": null()}))
	in := f.updateInput(update, nil, used(update+" "+condition, values))
	in.ConditionExpression = &condition
	in.ReturnValues = types.ReturnValueAllNew
	out, err := f.Client.UpdateItem(f.Context(), in)
	if apiErr, ok := errors.AsType[smithy.APIError](err); ok {
		return apiErr.ErrorCode()
	}
	f.must(out, err)
	stored := showItem(f.get("a", "1"))
	f.equal(showItem(out.Attributes), stored)
	// DynamoDB Local stores -1.0 as such, the service as -1.
	return regexp.MustCompile(`(\d)\.0\b`).ReplaceAllString(stored, "$1")
}

func paths() *rapid.Generator[string] {
	return rapid.SampledFrom(strings.Fields("s n l l[0] l[1] l[1].x l[5] m m.a m.b m.b.c m.gone ss ns b y z gone gone.x s.x m[0] l.a n[0]"))
}

func literals() *rapid.Generator[string] {
	return rapid.SampledFrom(strings.Fields(":s :t :n :k :ss :ns :l :m :b :y :z"))
}

// ordered draws operands that may be compared by < and >.
func ordered() *rapid.Generator[string] {
	return rapid.SampledFrom(strings.Fields("s n b l[0] l[1].x m.a m.b.c gone :s :t :n :k :b size(s) size(l) size(m) size(ss) size(n) size(gone)"))
}

func operands() *rapid.Generator[string] {
	size := rapid.Custom(func(t *rapid.T) string { return "size(" + paths().Draw(t, "path") + ")" })
	return rapid.OneOf(paths(), paths(), literals(), literals(), size)
}

// conditions draws conditions that nest so deep at most.
func conditions(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		first, second, third := operands().Draw(t, "first"), operands().Draw(t, "second"), operands().Draw(t, "third")
		kinds := 10
		if depth > 0 {
			kinds = 14
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0:
			return fmt.Sprintf("attribute_exists(%s)", first)
		case 1:
			return fmt.Sprintf("attribute_not_exists(%s)", first)
		case 2:
			return fmt.Sprintf("begins_with(%s, %s)", first, ordered().Draw(t, "prefix"))
		case 3:
			return fmt.Sprintf("contains(%s, %s)", first, second)
		case 4:
			return fmt.Sprintf("%s BETWEEN %s AND %s", ordered().Draw(t, "value"), ordered().Draw(t, "low"), ordered().Draw(t, "high"))
		case 5:
			return fmt.Sprintf("%s IN (%s, %s)", first, second, third)
		case 11:
			return fmt.Sprintf("NOT %s", conditions(depth-1).Draw(t, "inner"))
		case 12:
			return fmt.Sprintf("(%s) AND %s", conditions(depth-1).Draw(t, "left"), conditions(depth-1).Draw(t, "right"))
		case 13, 14:
			return fmt.Sprintf("%s OR (%s)", conditions(depth-1).Draw(t, "left"), conditions(depth-1).Draw(t, "right"))
		}
		operator := rapid.SampledFrom(strings.Fields("= <> < <= > >=")).Draw(t, "operator")
		if operator != "=" && operator != "<>" {
			first, second = ordered().Draw(t, "left"), ordered().Draw(t, "right")
		}
		return fmt.Sprintf("%s %s %s", first, operator, second)
	})
}

// updates draws update expressions of one or two sections. Most operands fit,
// or all that the subjects would agree on is a refusal.
func updates() *rapid.Generator[string] {
	pick := func(words string) *rapid.Generator[string] { return rapid.SampledFrom(strings.Fields(words)) }
	sections := map[string]*rapid.Generator[string]{
		"SET":    rapid.Custom(func(t *rapid.T) string { return paths().Draw(t, "path") + " = " + setValues().Draw(t, "value") }),
		"REMOVE": paths(),
		"ADD": rapid.OneOf(rapid.Custom(func(t *rapid.T) string {
			return pick("n gone m.a l[0] m.gone ss s").Draw(t, "path") + " " + pick(":n :k").Draw(t, "value")
		}), rapid.Custom(func(t *rapid.T) string {
			return pick("ss ns gone m.gone n l[7]").Draw(t, "path") + " " + pick(":ss :ns :l").Draw(t, "value")
		})),
		"DELETE": rapid.Custom(func(t *rapid.T) string {
			return pick("ss ns gone m.gone n l[7] gone.x").Draw(t, "path") + " " + pick(":ss :ns").Draw(t, "value")
		}),
	}
	return rapid.Custom(func(t *rapid.T) string {
		var text []string
		for _, name := range rapid.SliceOfNDistinct(pick("SET SET SET REMOVE ADD DELETE"), 1, 2, rapid.ID[string]).Draw(t, "sections") {
			actions := rapid.SliceOfN(sections[name], 1, 2).Draw(t, name)
			text = append(text, name+" "+strings.Join(actions, ", "))
		}
		return strings.Join(text, " ")
	})
}

func setValues() *rapid.Generator[string] {
	numbers, lists := rapid.SampledFrom(strings.Fields("n m.a l[0] :n :k s gone")), rapid.SampledFrom(strings.Fields("l :l l gone :s"))
	return rapid.Custom(func(t *rapid.T) string {
		shape := rapid.SampledFrom([]string{"A", "N + M", "N - M", "if_not_exists(P, A)", "list_append(L, K)", "if_not_exists(P, N) + M", "list_append(if_not_exists(P, L), K)"}).Draw(t, "shape")
		return strings.NewReplacer("A", rapid.OneOf(paths(), literals()).Draw(t, "A"), "P", paths().Draw(t, "P"),
			"N", numbers.Draw(t, "N"), "M", numbers.Draw(t, "M"), "L", lists.Draw(t, "L"), "K", lists.Draw(t, "K")).Replace(shape)
	})
}
