package hetzner

import (
	"fmt"
	"slices"
	"strings"
)

// Selector is a parsed label_selector: every requirement must hold.
type Selector []Requirement

// Requirement is one condition on a label.
type Requirement struct {
	Key string
	// Values are what the label must be one of; nil asks only whether the
	// label exists.
	Values []string
	// Not turns the condition round. A label that is absent differs from
	// every value.
	Not bool
}

// ParseSelector reads the API's label_selector: k, !k, k=v, k==v, k!=v,
// k in (v,w), k notin (v,w), joined by commas. The empty text selects
// everything.
func ParseSelector(text string) (Selector, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var selector Selector
	for _, term := range splitTerms(text) {
		r, err := parseRequirement(strings.TrimSpace(term))
		if err != nil {
			return nil, err
		}
		selector = append(selector, r)
	}
	return selector, nil
}

// Matches reports whether labels satisfy every requirement.
func (s Selector) Matches(labels map[string]string) bool {
	for _, r := range s {
		if !r.matches(labels) {
			return false
		}
	}
	return true
}

func (r Requirement) matches(labels map[string]string) bool {
	value, ok := labels[r.Key]
	if r.Values != nil {
		ok = ok && slices.Contains(r.Values, value)
	}
	return ok != r.Not
}

// splitTerms splits at the commas outside parentheses.
func splitTerms(text string) []string {
	var terms []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				terms = append(terms, text[start:i])
				start = i + 1
			}
		}
	}
	return append(terms, text[start:])
}

func parseRequirement(term string) (Requirement, error) {
	if strings.HasSuffix(term, ")") {
		return parseSet(term)
	}
	// The longer operators first: "=" is part of both others.
	for _, operator := range []string{"!=", "==", "="} {
		if key, value, ok := strings.Cut(term, operator); ok {
			r := Requirement{Key: strings.TrimSpace(key), Values: []string{strings.TrimSpace(value)}, Not: operator == "!="}
			return r, r.check()
		}
	}
	key, not := strings.CutPrefix(term, "!")
	r := Requirement{Key: strings.TrimSpace(key), Not: not}
	return r, r.check()
}

func parseSet(term string) (Requirement, error) {
	head, list, _ := strings.Cut(strings.TrimSuffix(term, ")"), "(")
	fields := strings.Fields(head)
	if len(fields) != 2 || (fields[1] != "in" && fields[1] != "notin") {
		return Requirement{}, fmt.Errorf("%q is not a set requirement", term)
	}
	r := Requirement{Key: fields[0], Values: []string{}, Not: fields[1] == "notin"}
	for value := range strings.SplitSeq(list, ",") {
		r.Values = append(r.Values, strings.TrimSpace(value))
	}
	return r, r.check()
}

func (r Requirement) check() error {
	if !validLabelKey(r.Key) {
		return fmt.Errorf("%q is not a label key", r.Key)
	}
	for _, v := range r.Values {
		if !validLabelValue(v) {
			return fmt.Errorf("%q is not a label value", v)
		}
	}
	return nil
}
