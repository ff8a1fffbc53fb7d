package expression

import (
	"strconv"
	"unicode/utf16"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// operand is a document path, a literal, or the size of what a path leads to.
type operand struct {
	path    Path // nil for a literal
	literal attribute.Value
	size    bool
}

func (o operand) in(item attribute.Item) (attribute.Value, bool) {
	if o.path == nil {
		return o.literal, true
	}
	v, ok := o.path.in(item)
	if !ok || !o.size {
		return v, ok
	}
	return sizeOf(v)
}

// isLiteral reports whether the operand's type is known before any item is.
func (o operand) isLiteral() bool { return o.path == nil }

// isPath reports whether the operand is a bare document path.
func (o operand) isPath() bool { return o.path != nil && !o.size }

// kind is the operand's type where it is known, else "".
func (o operand) kind() attribute.Kind {
	if o.size {
		return attribute.Number
	}
	return o.literal.Kind
}

func (o operand) sameAs(other operand) bool {
	if o.isLiteral() || other.isLiteral() {
		return o.isLiteral() && other.isLiteral() && o.literal.Equal(other.literal)
	}
	return o.size == other.size && comparePaths(o.path, other.path) == 0
}

// sizeOf is the function size: bytes of a binary, UTF-16 units of a string,
// members of a collection. Other types have none.
func sizeOf(v attribute.Value) (attribute.Value, bool) {
	n := 0
	switch v.Kind {
	case attribute.String:
		n = len(utf16.Encode([]rune(v.Text)))
	case attribute.Binary:
		n = len(v.Text)
	case attribute.List, attribute.StringSet, attribute.NumberSet, attribute.BinarySet:
		n = len(v.Elements)
	case attribute.Map:
		n = len(v.Fields)
	default:
		return attribute.Value{}, false
	}
	d, err := attribute.ParseDecimal(strconv.Itoa(n))
	return attribute.Numeric(d), err == nil
}
