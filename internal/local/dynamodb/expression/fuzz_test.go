package expression_test

import (
	"errors"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"
)

// subject is an item with something of every shape.
func subject(t testing.TB) attribute.Item {
	t.Helper()
	item := attribute.Item{}
	for name, text := range map[string]string{
		"s": `{"S": "abc"}`, "n": `{"N": "5"}`, "l": `{"L": [{"N": "1"}, {"M": {"a": {"S": "x"}}}]}`, "m": `{"M": {"a": {"L": []}}}`, "ss": `{"SS": ["a", "b"]}`,
	} {
		var v attribute.Value
		if err := v.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		item[name] = v
	}
	return item
}

// FuzzExpressions wants every text read as every kind of expression either
// refused as bad input or evaluated, and the item never changed in place.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"s = :s AND NOT (n < :n OR begins_with(s, :s))", "n BETWEEN :n AND :n", "s IN (:s, :n)", "size(l) > :n", "attribute_type(s, :s)", "contains(ss, :s)", "((s = :s))",
		"SET n = n + :n, l[1].a = if_not_exists(s, :s) REMOVE m.a[0], l[0] ADD n :n DELETE ss :ss", "SET l = list_append(l, l)", "s, l[0], m.a", "#n.s", "a.", "a[99999999999999999999]", ":", "#", "\x00", "é = :s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item := subject(t)
		before := item.Clone()
		placeholders, err := expression.NewPlaceholders(map[string]string{"#n": "n"}, attribute.Item{":s": item["s"], ":n": item["n"], ":ss": item["ss"]})
		if err != nil {
			t.Fatal(err)
		}
		c, err := placeholders.Condition("ConditionExpression", &text)
		wantInvalid(t, err)
		if err == nil {
			c.Holds(item)
			c.Holds(nil)
		}
		u, err := placeholders.Update(&text)
		wantInvalid(t, err)
		if err == nil {
			after, err := u.Apply(item)
			wantInvalid(t, err)
			if err == nil {
				u.Written().Of(after)
			}
			u.Touched().Of(item)
		}
		p, err := placeholders.Projection(&text)
		wantInvalid(t, err)
		if err == nil {
			p.Of(item)
		}
		_, err = placeholders.KeyCondition(&text)
		wantInvalid(t, err)
		if !item.Equal(before) {
			t.Errorf("%q changed the item to %v", text, item)
		}
	})
}

func wantInvalid(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*attribute.InvalidError](err); err != nil && !ok {
		t.Errorf("want an InvalidError, got %v", err)
	}
}
