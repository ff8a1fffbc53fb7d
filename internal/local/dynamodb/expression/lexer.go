package expression

import (
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenWord             // attribute names, keywords, functions
	tokenName             // #name
	tokenValue            // :value
	tokenNumber           // the n of [n]
	tokenSymbol           // punctuation and operators
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// maxExpressionBytes is the longest expression DynamoDB takes.
const maxExpressionBytes = 4096

// lex splits source into tokens, the last one of kind tokenEnd.
func (e *source) lex() ([]token, error) {
	if len(e.text) > maxExpressionBytes {
		return nil, e.invalid("Expression size has exceeded the maximum allowed size; expression size: %d", len(e.text))
	}
	var tokens []token
	for at := 0; at < len(e.text); {
		if strings.IndexByte(" \t\r\n", e.text[at]) >= 0 {
			at++
			continue
		}
		t, ok := scan(e.text[at:])
		if !ok {
			return nil, e.syntax(token{text: e.text[at : at+1], at: at})
		}
		t.at = at
		at += len(t.text)
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		return nil, e.invalid("The expression can not be empty;")
	}
	return append(tokens, token{kind: tokenEnd, text: "<EOF>", at: len(e.text)}), nil
}

// scan reads the token that s begins with.
func scan(s string) (token, bool) {
	switch c := s[0]; {
	case c == '#' || c == ':':
		n := wordLength(s[1:])
		kind := tokenName
		if c == ':' {
			kind = tokenValue
		}
		return token{kind: kind, text: s[:n+1]}, n > 0
	case c >= '0' && c <= '9':
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		return token{kind: tokenNumber, text: s[:n]}, true
	case wordLength(s) > 0:
		return token{kind: tokenWord, text: s[:wordLength(s)]}, true
	}
	for _, symbol := range []string{"<>", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ".", ",", "+", "-"} {
		if strings.HasPrefix(s, symbol) {
			return token{kind: tokenSymbol, text: symbol}, true
		}
	}
	return token{}, false
}

func wordLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return i
		}
	}
	return len(s)
}

// source is the text of an expression and what it is called in a request.
type source struct {
	parameter string
	text      string
}

func (e *source) invalid(format string, args ...any) error {
	return attribute.Invalidf("Invalid "+e.parameter+": "+format, args...)
}

func (e *source) syntax(t token) error {
	from, to := max(0, t.at-10), min(len(e.text), t.at+len(t.text)+10)
	return e.invalid("Syntax error; token: %q, near: %q", t.text, e.text[min(from, to):to])
}
