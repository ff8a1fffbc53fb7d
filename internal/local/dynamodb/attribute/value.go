package attribute

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Kind is a type, named as in DynamoDB's JSON.
type Kind string

// The kinds.
const (
	String    Kind = "S"
	Number    Kind = "N"
	Binary    Kind = "B"
	Bool      Kind = "BOOL"
	Null      Kind = "NULL"
	List      Kind = "L"
	Map       Kind = "M"
	StringSet Kind = "SS"
	NumberSet Kind = "NS"
	BinarySet Kind = "BS"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Binary, Null, StringSet, Bool, List, BinarySet, Number, NumberSet, String, Map}
}

// Element returns the kind of a set's elements, "" if k is no set.
func (k Kind) Element() Kind {
	switch k {
	case StringSet:
		return String
	case NumberSet:
		return Number
	case BinarySet:
		return Binary
	}
	return ""
}

// Ordered reports whether values of the kind can be compared by < and >.
func (k Kind) Ordered() bool { return k == String || k == Number || k == Binary }

// Value is one attribute value. Only the fields of its kind are set. Values
// are shared between items, so nothing may change one in place.
type Value struct {
	Kind Kind
	// Text is a string, or the bytes of a binary.
	Text string
	// Number is a number.
	Number Decimal
	// Bool is a boolean.
	Bool bool
	// Elements are a list's, or a set's in ascending order.
	Elements []Value
	// Fields are a map's.
	Fields Item
}

// Item is a set of named values: a whole item, a key, or a nested map.
type Item map[string]Value

// Text makes a string value.
func Text(s string) Value { return Value{Kind: String, Text: s} }

// Numeric makes a number value.
func Numeric(d Decimal) Value { return Value{Kind: Number, Number: d} }

// Equal reports whether v and o are the same value. Numbers are compared as
// numbers and sets as sets.
func (v Value) Equal(o Value) bool {
	return v.Kind == o.Kind && v.Text == o.Text && v.Number == o.Number && v.Bool == o.Bool &&
		slices.EqualFunc(v.Elements, o.Elements, Value.Equal) &&
		maps.EqualFunc(v.Fields, o.Fields, Value.Equal)
}

// Equal reports whether both items hold equal values under the same names.
func (i Item) Equal(o Item) bool { return maps.EqualFunc(i, o, Value.Equal) }

// Compare orders two values of one ordered kind; ok is false for others.
func (v Value) Compare(o Value) (order int, ok bool) {
	if v.Kind != o.Kind || !v.Kind.Ordered() {
		return 0, false
	}
	return v.order(o), true
}

func (v Value) order(o Value) int {
	if v.Kind == Number {
		return v.Number.Compare(o.Number)
	}
	return strings.Compare(v.Text, o.Text)
}

// Contains reports whether the set, list or string v contains o.
func (v Value) Contains(o Value) bool {
	switch v.Kind {
	case String, Binary:
		return v.Kind == o.Kind && strings.Contains(v.Text, o.Text)
	case List, StringSet, NumberSet, BinarySet:
		return slices.ContainsFunc(v.Elements, o.Equal)
	}
	return false
}

// SetOf makes a set of distinct elements, sorting them.
func SetOf(kind Kind, elements []Value) Value {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, Value.order)
	return Value{Kind: kind, Elements: slices.CompactFunc(sorted, Value.Equal)}
}

// Clone copies v deeply, so that the copy may be changed in place.
func (v Value) Clone() Value {
	if v.Elements != nil {
		elements := make([]Value, len(v.Elements))
		for i, e := range v.Elements {
			elements[i] = e.Clone()
		}
		v.Elements = elements
	}
	if v.Fields != nil {
		v.Fields = v.Fields.Clone()
	}
	return v
}

// Clone copies i deeply.
func (i Item) Clone() Item {
	c := make(Item, len(i))
	for name, v := range i {
		c[name] = v.Clone()
	}
	return c
}

// Plain returns v as plain Go values: string, json.Number-like text for
// numbers, []byte, bool, nil, []any and map[string]any.
func (v Value) Plain() any {
	switch v.Kind {
	case Number:
		return v.Number.String()
	case Binary:
		return bytes.Clone([]byte(v.Text))
	case Bool:
		return v.Bool
	case Null:
		return nil
	case Map:
		return v.Fields.Plain()
	case List, StringSet, NumberSet, BinarySet:
		list := make([]any, len(v.Elements))
		for i, e := range v.Elements {
			list[i] = e.Plain()
		}
		return list
	}
	return v.Text
}

// Plain returns i as plain Go values.
func (i Item) Plain() map[string]any {
	m := make(map[string]any, len(i))
	for name, v := range i {
		m[name] = v.Plain()
	}
	return m
}
