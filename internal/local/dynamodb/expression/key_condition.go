package expression

import "github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"

// KeyTerm is one comparison of a key condition. Operator is =, <, <=, >, >=,
// BETWEEN (two values) or begins_with.
type KeyTerm struct {
	Name     string
	Operator string
	Values   []attribute.Value
}

// KeyCondition reads a key condition: comparisons of attributes with
// literals, joined by AND.
func (p *Placeholders) KeyCondition(text *string) ([]KeyTerm, error) {
	if text == nil {
		return nil, attribute.Invalidf("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	c, err := p.Condition("KeyConditionExpression", text)
	if err != nil {
		return nil, err
	}
	return c.keyTerms(c.root, nil)
}

func (c *Condition) keyTerms(n *node, terms []KeyTerm) ([]KeyTerm, error) {
	switch n.operator {
	case opGroup, opAnd:
		var err error
		for _, inner := range n.conditions {
			if terms, err = c.keyTerms(inner, terms); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case "=", "<", "<=", ">", ">=", opBetween, opBeginsWith:
		t, err := c.keyTerm(n)
		return append(terms, t), err
	}
	return nil, c.source.invalid("Invalid operator used in KeyConditionExpression: %s", n.operator)
}

func (c *Condition) keyTerm(n *node) (KeyTerm, error) {
	first := n.operands[0]
	if first.size {
		return KeyTerm{}, c.source.invalid("Invalid operator used in KeyConditionExpression: size")
	}
	if first.isLiteral() {
		return KeyTerm{}, c.source.invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute first", n.operator)
	}
	if len(first.path) != 1 {
		return KeyTerm{}, c.source.invalid("KeyConditionExpressions cannot have conditions on nested attributes")
	}
	t := KeyTerm{Name: first.path.Root(), Operator: n.operator}
	for _, o := range n.operands[1:] {
		if !o.isLiteral() {
			return t, c.source.invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		t.Values = append(t.Values, o.literal)
	}
	return t, nil
}
