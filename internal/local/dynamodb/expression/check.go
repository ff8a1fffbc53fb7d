package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// maxInOperands is how many values IN takes.
const maxInOperands = 100

// check refuses operands that can't be right whatever the item holds.
func (p *parser) check(n *node) error {
	if err := p.checkCount(n); err != nil {
		return err
	}
	switch n.operator {
	case opExists, opNotExists:
		if !n.operands[0].isPath() {
			return p.invalid("Operator or function requires a document path; operator or function: %s", n.operator)
		}
		return nil
	case opType:
		return p.checkType(n)
	case opBeginsWith:
		if err := p.checkKinds(n, func(k attribute.Kind) bool { return k == attribute.String || k == attribute.Binary }); err != nil {
			return err
		}
	case "<", "<=", ">", ">=", opBetween:
		if err := p.checkKinds(n, attribute.Kind.Ordered); err != nil {
			return err
		}
	}
	if err := p.checkDistinct(n); err != nil {
		return err
	}
	if n.operator == opBetween {
		return p.checkBounds(n)
	}
	return nil
}

func (p *parser) checkCount(n *node) error {
	want := map[string]int{opExists: 1, opNotExists: 1, opType: 2, opBeginsWith: 2, opContains: 2}[n.operator]
	if got := len(n.operands); want != 0 && got != want || got > maxInOperands+1 {
		return p.invalid("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.operator, got)
	}
	return nil
}

func (p *parser) checkKinds(n *node, fits func(attribute.Kind) bool) error {
	for _, o := range n.operands {
		if k := o.kind(); k != "" && !fits(k) {
			return p.incorrectOperand(n.operator, k)
		}
	}
	return nil
}

func (p *parser) incorrectOperand(operator string, k attribute.Kind) error {
	return p.invalid("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", operator, k)
}

func (p *parser) checkType(n *node) error {
	o := n.operands[1]
	if !o.isLiteral() || o.kind() != attribute.String {
		return p.incorrectOperand(n.operator, o.kind())
	}
	if !slices.Contains(attribute.Kinds(), attribute.Kind(o.literal.Text)) {
		return p.invalid("Invalid attribute type name found; type: %s, valid types: {%s}",
			o.literal.Text, strings.Trim(strings.ReplaceAll(fmt.Sprint(attribute.Kinds()), " ", ","), "[]"))
	}
	return nil
}

func (p *parser) checkDistinct(n *node) error {
	for _, o := range n.operands[1:] {
		if n.operands[0].isPath() && n.operands[0].sameAs(o) {
			return p.invalid("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", n.operator, o.path)
		}
	}
	return nil
}

func (p *parser) checkBounds(n *node) error {
	low, high := n.operands[1], n.operands[2]
	if !low.isLiteral() || !high.isLiteral() {
		return nil
	}
	order, ok := low.literal.Compare(high.literal)
	if !ok {
		return p.invalid("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}",
			low.kind(), high.kind())
	}
	if order > 0 {
		return p.invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: %v, upper bound operand: %v",
			low.literal.Plain(), high.literal.Plain())
	}
	return nil
}
