package expression

// Condition reads a condition or filter expression; parameter is what the
// request calls it. A nil text is a nil Condition, which always holds.
func (p *Placeholders) Condition(parameter string, text *string) (*Condition, error) {
	if text == nil {
		return nil, nil
	}
	ps, err := p.parse(parameter, *text)
	if err != nil {
		return nil, err
	}
	root, err := ps.or()
	if err != nil {
		return nil, err
	}
	c := &Condition{source: ps.source, root: root, paths: root.paths()}
	return c, ps.end()
}

func (n *node) paths() []Path {
	var paths []Path
	for _, c := range n.conditions {
		paths = append(paths, c.paths()...)
	}
	for _, o := range n.operands {
		if o.path != nil {
			paths = append(paths, o.path)
		}
	}
	return paths
}

func (p *parser) or() (*node, error) { return p.chain(opOr, p.and) }

func (p *parser) and() (*node, error) { return p.chain(opAnd, p.not) }

// chain reads one or more conditions joined by a keyword.
func (p *parser) chain(word string, condition func() (*node, error)) (*node, error) {
	left, err := condition()
	for err == nil && p.keyword(word) {
		var right *node
		right, err = condition()
		left = &node{operator: word, conditions: []*node{left, right}}
	}
	return left, err
}

func (p *parser) not() (*node, error) {
	if !p.keyword(opNot) {
		return p.primary()
	}
	c, err := p.not()
	return &node{operator: opNot, conditions: []*node{c}}, err
}

func (p *parser) primary() (*node, error) {
	if p.symbol("(") {
		return p.group()
	}
	if p.atFunction() && p.peek().text != "size" {
		return p.function()
	}
	first, err := p.operand()
	if err != nil {
		return nil, err
	}
	n := &node{operands: []operand{first}}
	if err := p.comparison(n); err != nil {
		return nil, err
	}
	return n, p.check(n)
}

func (p *parser) group() (*node, error) {
	inner, err := p.or()
	if err != nil {
		return nil, err
	}
	if inner.operator == opGroup {
		return nil, p.invalid("The expression has redundant parentheses;")
	}
	return &node{operator: opGroup, conditions: []*node{inner}}, p.need(")")
}

// comparison reads what follows the first operand.
func (p *parser) comparison(n *node) error {
	switch {
	case p.keyword(opBetween):
		return p.between(n)
	case p.keyword(opIn):
		n.operator = opIn
		if err := p.need("("); err != nil {
			return err
		}
		return p.operandsUntilClose(n)
	}
	t := p.take()
	switch t.text {
	case "=", "<>", "<", "<=", ">", ">=":
		n.operator = t.text
		return p.appendOperand(n)
	}
	return p.syntax(t)
}

func (p *parser) between(n *node) error {
	n.operator = opBetween
	if err := p.appendOperand(n); err != nil {
		return err
	}
	if !p.keyword(opAnd) {
		return p.syntax(p.peek())
	}
	return p.appendOperand(n)
}

func (p *parser) appendOperand(n *node) error {
	o, err := p.operand()
	n.operands = append(n.operands, o)
	return err
}

func (p *parser) operandsUntilClose(n *node) error {
	if err := p.list(func() error { return p.appendOperand(n) }); err != nil {
		return err
	}
	return p.need(")")
}

// atFunction reports whether a function call comes next.
func (p *parser) atFunction() bool {
	return p.peek().kind == tokenWord && p.tokens[p.next+1].text == "("
}

func (p *parser) function() (*node, error) {
	name := p.take().text
	switch name {
	case opExists, opNotExists, opType, opBeginsWith, opContains:
	case fnIfNotExists, fnListAppend:
		return nil, p.invalid("The function is not allowed in a condition expression; function: %s", name)
	default:
		return nil, p.invalid("Invalid function name; function: %s", name)
	}
	p.next++ // the parenthesis that atFunction saw
	n := &node{operator: name}
	if err := p.operandsUntilClose(n); err != nil {
		return nil, err
	}
	return n, p.check(n)
}

// operand reads a path, a literal, or a call of size.
func (p *parser) operand() (operand, error) {
	if p.atFunction() {
		return p.sizeCall()
	}
	if t := p.peek(); t.kind == tokenValue {
		p.next++
		v, err := p.placeholders.value(p.source, t.text)
		return operand{literal: v}, err
	}
	path, err := p.path()
	return operand{path: path}, err
}

func (p *parser) sizeCall() (operand, error) {
	if name := p.take().text; name != "size" {
		return operand{}, p.invalid("The function is not allowed to be used this way in an expression; function: %s", name)
	}
	p.next++
	o, err := p.operand()
	if err != nil {
		return o, err
	}
	if o.size {
		return o, p.invalid("The function is not allowed to be used this way in an expression; function: size")
	}
	if o.isLiteral() {
		size, ok := sizeOf(o.literal)
		if !ok {
			return o, p.invalid("Incorrect operand type for operator or function; operator or function: size, operand type: %s", o.kind())
		}
		return operand{literal: size}, p.need(")")
	}
	o.size = true
	return o, p.need(")")
}
