package dynamodbtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is an item, a key, or the fields of a map.
type item = map[string]types.AttributeValue

// names are a request's attribute names.
type names = map[string]string

func str(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func num(n string) types.AttributeValue   { return &types.AttributeValueMemberN{Value: n} }
func bin(s string) types.AttributeValue   { return &types.AttributeValueMemberB{Value: []byte(s)} }
func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }
func null() types.AttributeValue          { return &types.AttributeValueMemberNULL{Value: true} }
func object(fields item) types.AttributeValue {
	return &types.AttributeValueMemberM{Value: fields}
}
func list(members ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: members}
}
func strs(s ...string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
func nums(n ...string) types.AttributeValue { return &types.AttributeValueMemberNS{Value: n} }
func bins(b ...string) types.AttributeValue {
	set := &types.AttributeValueMemberBS{}
	for _, s := range b {
		set.Value = append(set.Value, []byte(s))
	}
	return set
}

// keyed is an item with the fixture's key and further attributes.
func keyed(pk, sk string, attributes ...item) item {
	i := item{"pk": str(pk), "sk": str(sk)}
	for _, more := range attributes {
		maps.Copy(i, more)
	}
	return i
}

// show renders a value in one unambiguous way: "text", 12, b"bytes", true,
// null, [list], {name: value}, and sets as <members>, sorted.
func show(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return fmt.Sprintf("%q", v.Value)
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return fmt.Sprintf("b%q", v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprint(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	case *types.AttributeValueMemberM:
		return showItem(v.Value)
	case *types.AttributeValueMemberL:
		return "[" + strings.Join(shown(v.Value, show), ", ") + "]"
	case *types.AttributeValueMemberSS:
		return showSet(shown(v.Value, func(s string) string { return fmt.Sprintf("%q", s) }))
	case *types.AttributeValueMemberNS:
		return showSet(v.Value)
	case *types.AttributeValueMemberBS:
		return showSet(shown(v.Value, func(b []byte) string { return fmt.Sprintf("b%q", b) }))
	}
	return fmt.Sprintf("%T", v)
}

func shown[T any](values []T, one func(T) string) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = one(v)
	}
	return texts
}

func showSet(members []string) string {
	return "<" + strings.Join(slices.Sorted(slices.Values(members)), ", ") + ">"
}

// showItem renders an item, its names sorted.
func showItem(i item) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(i)) {
		fields = append(fields, name+": "+show(i[name]))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// column renders one attribute of every item: "a b c".
func column(items []item, name string) string {
	return strings.Join(shown(items, func(i item) string { return strings.Trim(show(i[name]), `"`) }), " ")
}
