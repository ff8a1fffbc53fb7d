package expression

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// Condition is a condition or filter expression, checked and ready. A nil
// Condition always holds.
type Condition struct {
	source *source
	root   *node
	paths  []Path
}

// node is one operator of a condition: a connective over conditions, or a
// comparison or function over operands.
type node struct {
	operator   string
	conditions []*node
	operands   []operand
}

// The connectives, and the operators that are no symbol.
const (
	opAnd        = "AND"
	opOr         = "OR"
	opNot        = "NOT"
	opGroup      = "()"
	opBetween    = "BETWEEN"
	opIn         = "IN"
	opExists     = "attribute_exists"
	opNotExists  = "attribute_not_exists"
	opType       = "attribute_type"
	opBeginsWith = "begins_with"
	opContains   = "contains"
)

// Holds reports whether item meets the condition.
func (c *Condition) Holds(item attribute.Item) bool {
	return c == nil || c.root.holds(item)
}

// Roots lists the top-level attributes the condition names.
func (c *Condition) Roots() []string { return roots(c.paths) }

func roots(paths []Path) []string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = p.Root()
	}
	return names
}

func (n *node) holds(item attribute.Item) bool {
	switch n.operator {
	case opGroup:
		return n.conditions[0].holds(item)
	case opNot:
		return !n.conditions[0].holds(item)
	case opAnd:
		return n.conditions[0].holds(item) && n.conditions[1].holds(item)
	case opOr:
		return n.conditions[0].holds(item) || n.conditions[1].holds(item)
	case opExists, opNotExists:
		_, ok := n.operands[0].in(item)
		return ok == (n.operator == opExists)
	}
	return n.compare(item)
}

// compare evaluates an operator that needs the values of its operands. An
// operand that is missing makes every one of them false, but for <>.
func (n *node) compare(item attribute.Item) bool {
	values := make([]attribute.Value, len(n.operands))
	present := make([]bool, len(n.operands))
	for i, o := range n.operands {
		values[i], present[i] = o.in(item)
	}
	if n.operator == opIn {
		return present[0] && slices.ContainsFunc(values[1:], values[0].Equal)
	}
	if slices.Contains(present, false) {
		return n.operator == "<>"
	}
	switch n.operator {
	case "=":
		return values[0].Equal(values[1])
	case "<>":
		return !values[0].Equal(values[1])
	case opBetween:
		return ordered(">=", values[0], values[1]) && ordered("<=", values[0], values[2])
	case opType:
		return string(values[0].Kind) == values[1].Text
	case opBeginsWith:
		return beginsWith(values[0], values[1])
	case opContains:
		return values[0].Contains(values[1])
	}
	return ordered(n.operator, values[0], values[1])
}

func ordered(operator string, a, b attribute.Value) bool {
	order, ok := a.Compare(b)
	if !ok {
		return false
	}
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func beginsWith(v, prefix attribute.Value) bool {
	return v.Kind == prefix.Kind && (v.Kind == attribute.String || v.Kind == attribute.Binary) &&
		len(v.Text) >= len(prefix.Text) && v.Text[:len(prefix.Text)] == prefix.Text
}
