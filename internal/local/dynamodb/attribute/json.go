package attribute

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// MaxDepth is how deep lists and maps may nest.
const MaxDepth = 32

// UnmarshalJSON reads {"S": "…"} and its like. What DynamoDB would refuse as
// a value is an *InvalidError.
func (v *Value) UnmarshalJSON(data []byte) error {
	var typed map[string]json.RawMessage
	if err := json.Unmarshal(data, &typed); err != nil {
		return fmt.Errorf("read an attribute value: %w", err)
	}
	switch len(typed) {
	case 0:
		return Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case 1:
	default:
		return Invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	for kind, raw := range typed {
		if string(raw) == "null" {
			return Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
		}
		v.Kind = Kind(kind)
		return v.unmarshal(raw)
	}
	return nil
}

func (v *Value) unmarshal(raw []byte) error {
	switch v.Kind {
	case String:
		return json.Unmarshal(raw, &v.Text)
	case Number, Binary:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read a value of type %s: %w", v.Kind, err)
		}
		return v.parse(text)
	case Bool:
		return json.Unmarshal(raw, &v.Bool)
	case Null:
		return unmarshalNull(raw)
	case List:
		v.Elements = []Value{}
		return json.Unmarshal(raw, &v.Elements)
	case Map:
		v.Fields = Item{}
		return json.Unmarshal(raw, &v.Fields)
	case StringSet, NumberSet, BinarySet:
		return v.unmarshalSet(raw)
	}
	return Invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes (%q is none)", v.Kind)
}

// parse sets a scalar of kind S, N or B from its JSON text.
func (v *Value) parse(text string) (err error) {
	switch v.Kind {
	case Number:
		v.Number, err = ParseDecimal(text)
	case Binary:
		var b []byte
		if b, err = base64.StdEncoding.DecodeString(text); err != nil {
			err = fmt.Errorf("read a binary value: %w", err)
		}
		v.Text = string(b)
	default:
		v.Text = text
	}
	return err
}

func unmarshalNull(raw []byte) error {
	var b bool
	if err := json.Unmarshal(raw, &b); err != nil {
		return fmt.Errorf("read a null: %w", err)
	}
	if !b {
		return Invalidf("One or more parameter values were invalid: Null attribute value types must have the value of true")
	}
	return nil
}

func (v *Value) unmarshalSet(raw []byte) error {
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return fmt.Errorf("read a set: %w", err)
	}
	if len(texts) == 0 {
		return Invalidf("One or more parameter values were invalid: An %s set  may not be empty", setNoun(v.Kind))
	}
	elements := make([]Value, len(texts))
	for i, text := range texts {
		elements[i].Kind = v.Kind.Element()
		if err := elements[i].parse(text); err != nil {
			return err
		}
	}
	*v = SetOf(v.Kind, elements)
	if len(v.Elements) == len(texts) {
		return nil
	}
	if v.Kind == NumberSet {
		return Invalidf("Input collection contains duplicates")
	}
	return Invalidf("One or more parameter values were invalid: Input collection [%s] contains duplicates.",
		strings.Join(texts, ", "))
}

func setNoun(k Kind) string {
	return map[Kind]string{StringSet: "string", NumberSet: "number", BinarySet: "binary"}[k]
}

// MarshalJSON writes {"S": "…"} and its like.
func (v Value) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[Kind]any{v.Kind: v.wire()})
}

func (v Value) wire() any {
	switch v.Kind {
	case Number:
		return v.Number.String()
	case Binary:
		return []byte(v.Text)
	case Bool:
		return v.Bool
	case Null:
		return true
	case List:
		return v.Elements
	case Map:
		return v.Fields
	case StringSet, NumberSet, BinarySet:
		list := make([]any, len(v.Elements))
		for i, e := range v.Elements {
			list[i] = e.wire()
		}
		return list
	}
	return v.Text
}

// CheckDepth refuses an item that nests deeper than MaxDepth.
func (i Item) CheckDepth() error {
	for _, v := range i {
		if v.depth() > MaxDepth {
			return Invalidf("Nesting Levels have exceeded supported limits")
		}
	}
	return nil
}

func (v Value) depth() int {
	deepest := 0
	for _, e := range v.Elements {
		deepest = max(deepest, e.depth())
	}
	for _, e := range v.Fields {
		deepest = max(deepest, e.depth())
	}
	if v.Kind == List || v.Kind == Map {
		return deepest + 1
	}
	return deepest
}
