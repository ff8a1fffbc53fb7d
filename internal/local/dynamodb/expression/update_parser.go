package expression

import (
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// Update reads an update expression. A nil text is an update of nothing.
func (p *Placeholders) Update(text *string) (*Update, error) {
	if text == nil {
		return &Update{}, nil
	}
	ps, err := p.parse("UpdateExpression", *text)
	if err != nil {
		return nil, err
	}
	u := &Update{}
	seen := map[string]bool{}
	for ps.peek().kind != tokenEnd {
		t := ps.take()
		section := strings.ToUpper(t.text)
		if seen[section] {
			return nil, ps.invalid("The %q section can only be used once in an update expression;", section)
		}
		seen[section] = true
		if err := ps.section(u, section, t); err != nil {
			return nil, err
		}
	}
	return u, checkDisjoint(ps.source, u.Paths())
}

func (p *parser) section(u *Update, name string, t token) error {
	switch name {
	case "SET":
		return p.list(func() error { return p.assignment(u) })
	case "REMOVE":
		return p.list(func() error {
			path, err := p.path()
			u.removes = append(u.removes, path)
			return err
		})
	case "ADD":
		return p.list(func() error { return p.change(&u.adds, "ADD") })
	case "DELETE":
		return p.list(func() error { return p.change(&u.deletes, "DELETE") })
	}
	return p.syntax(t)
}

func (p *parser) change(changes *[]change, section string) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	t := p.take()
	if t.kind != tokenValue {
		return p.syntax(t)
	}
	v, err := p.placeholders.value(p.source, t.text)
	if err != nil {
		return err
	}
	if v.Kind.Element() == "" && (section == "DELETE" || v.Kind != attribute.Number) {
		return p.incorrectOperand(section, v.Kind)
	}
	*changes = append(*changes, change{path, v})
	return nil
}

func (p *parser) assignment(u *Update) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	if err := p.need("="); err != nil {
		return err
	}
	value, err := p.valueExpression()
	u.sets = append(u.sets, assignment{path, value})
	return err
}

func (p *parser) valueExpression() (valueExpression, error) {
	left, err := p.term()
	if err != nil {
		return left, err
	}
	operator := p.peek().text
	if !p.symbol("+") && !p.symbol("-") {
		return left, nil
	}
	right, err := p.term()
	if err != nil {
		return right, err
	}
	return p.combination(operator, attribute.Number, left, right)
}

func (p *parser) combination(operator string, want attribute.Kind, arguments ...valueExpression) (valueExpression, error) {
	for _, a := range arguments {
		if k := a.kind(); k != "" && k != want {
			return a, p.incorrectOperand(operator, k)
		}
	}
	return valueExpression{operator: operator, arguments: arguments}, nil
}

// term reads an operand or a function of SET.
func (p *parser) term() (valueExpression, error) {
	if !p.atFunction() {
		o, err := p.operand()
		return valueExpression{operand: o}, err
	}
	name := p.take().text
	p.next++
	switch name {
	case fnIfNotExists, fnListAppend:
	case "size", opExists, opNotExists, opType, opBeginsWith, opContains:
		return valueExpression{}, p.invalid("The function is not allowed in an update expression; function: %s", name)
	default:
		return valueExpression{}, p.invalid("Invalid function name; function: %s", name)
	}
	var arguments []valueExpression
	err := p.list(func() error {
		a, err := p.term()
		arguments = append(arguments, a)
		return err
	})
	if err != nil {
		return valueExpression{}, err
	}
	if err := p.need(")"); err != nil {
		return valueExpression{}, err
	}
	return p.call(name, arguments)
}

func (p *parser) call(name string, arguments []valueExpression) (valueExpression, error) {
	if len(arguments) != 2 {
		return valueExpression{}, p.invalid("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(arguments))
	}
	if name == fnListAppend {
		return p.combination(name, attribute.List, arguments...)
	}
	if first := arguments[0]; first.operator != "" || !first.operand.isPath() {
		return first, p.invalid("Operator or function requires a document path; operator or function: %s", name)
	}
	if second := arguments[1]; second.operator == "" && second.operand.sameAs(arguments[0].operand) {
		return second, p.invalid("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", name, second.operand.path)
	}
	return valueExpression{operator: name, arguments: arguments}, nil
}
