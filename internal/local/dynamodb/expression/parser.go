package expression

import (
	"strconv"
	"strings"
)

// parser walks the tokens of one expression.
type parser struct {
	*source
	placeholders *Placeholders
	tokens       []token
	next         int
}

func (p *Placeholders) parse(parameter, text string) (*parser, error) {
	p.parsed = true
	e := &source{parameter: parameter, text: text}
	tokens, err := e.lex()
	if err != nil {
		return nil, err
	}
	return &parser{source: e, placeholders: p, tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

// symbol takes the next token if it is that symbol.
func (p *parser) symbol(text string) bool {
	if t := p.peek(); t.kind == tokenSymbol && t.text == text {
		p.next++
		return true
	}
	return false
}

// keyword takes the next token if it is that word, in either case.
func (p *parser) keyword(word string) bool {
	if p.atKeyword(word) {
		p.next++
		return true
	}
	return false
}

func (p *parser) atKeyword(word string) bool {
	t := p.peek()
	return t.kind == tokenWord && strings.EqualFold(t.text, word)
}

func (p *parser) need(symbol string) error {
	if !p.symbol(symbol) {
		return p.syntax(p.peek())
	}
	return nil
}

func (p *parser) end() error {
	if p.peek().kind != tokenEnd {
		return p.syntax(p.peek())
	}
	return nil
}

// path reads a document path.
func (p *parser) path() (Path, error) {
	first, err := p.nameStep()
	if err != nil {
		return nil, err
	}
	path := Path{first}
	for {
		var s step
		switch {
		case p.symbol("."):
			s, err = p.nameStep()
		case p.symbol("["):
			s, err = p.indexStep()
		default:
			return path, nil
		}
		if err != nil {
			return nil, err
		}
		path = append(path, s)
	}
}

func (p *parser) nameStep() (step, error) {
	t := p.take()
	switch t.kind {
	case tokenName:
		name, err := p.placeholders.name(p.source, t.text)
		return step{name: name, index: -1}, err
	case tokenWord:
		if reserved(t.text) {
			return step{}, p.invalid("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		return step{name: t.text, index: -1}, nil
	}
	return step{}, p.syntax(t)
}

func (p *parser) indexStep() (step, error) {
	t := p.take()
	if t.kind != tokenNumber {
		return step{}, p.syntax(t)
	}
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil {
		return step{}, p.invalid("List index is not within the allowable range; index: [%s]", t.text)
	}
	return step{index: int(n)}, p.need("]")
}

// list reads one or more of what element reads, separated by commas.
func (p *parser) list(element func() error) error {
	for {
		if err := element(); err != nil {
			return err
		}
		if !p.symbol(",") {
			return nil
		}
	}
}
