package sam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Statement is one statement of a function's policy. Only what allows is
// supported; an explicit Deny is an error.
type Statement struct {
	ID string
	// Actions and Resources may contain * and ?.
	Actions   []string
	Resources []string
	Condition []Match
}

// Match is one line of a statement's condition.
type Match struct {
	// Operator is StringEquals, StringLike, or one of them behind
	// "ForAllValues:".
	Operator string
	Key      string // for example "dynamodb:LeadingKeys"
	Values   []string
}

// Access is one call that a function makes.
type Access struct {
	Action   string // for example "dynamodb:GetItem"
	Resource string // ARN
	// Context has the condition keys of the call with their values.
	Context map[string][]string
}

// Allows reports whether the function's role allows a call.
func (f Function) Allows(a Access) bool {
	return slices.ContainsFunc(f.Statements, func(s Statement) bool { return s.allows(a) })
}

func (s Statement) allows(a Access) bool {
	matches := func(pattern string) bool { return wildcard(pattern).MatchString(a.Action) }
	if !slices.ContainsFunc(s.Actions, matches) {
		return false
	}
	matches = func(pattern string) bool { return wildcard(pattern).MatchString(a.Resource) }
	if !slices.ContainsFunc(s.Resources, matches) {
		return false
	}
	for _, m := range s.Condition {
		if !m.holds(a.Context[m.Key]) {
			return false
		}
	}
	return true
}

// holds follows IAM: ForAllValues holds for a key that the call does not have,
// a plain operator does not.
func (m Match) holds(values []string) bool {
	operator, all := strings.CutPrefix(m.Operator, "ForAllValues:")
	if len(values) == 0 {
		return all
	}
	for _, v := range values {
		fits := slices.Contains(m.Values, v)
		if operator == "StringLike" {
			fits = slices.ContainsFunc(m.Values, func(p string) bool { return wildcard(p).MatchString(v) })
		}
		if !fits {
			return false
		}
	}
	return true
}

func wildcard(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted)
	return regexp.MustCompile("^" + quoted + "$")
}

// statements reads a function's inline policies.
func (p *properties) statements() []Statement {
	policies, _ := p.value("Policies").([]any)
	var found []Statement
	for i, policy := range policies {
		at := p.r.at.in(fmt.Sprintf("Policies.%d", i))
		document := mapOf(policy)
		if document == nil {
			p.fail(at.errorf(p.r.properties, "is not an inline policy"))
			return nil
		}
		for _, s := range maps(document["Statement"]) {
			found = append(found, p.statement(s, at))
		}
	}
	return found
}

func (p *properties) statement(m map[string]any, at place) Statement {
	s := Statement{ID: str(m["Sid"]), Actions: oneOrMore(m["Action"]), Resources: oneOrMore(m["Resource"])}
	at = at.in(s.ID)
	if str(m["Effect"]) != "Allow" || len(s.Actions) == 0 || len(s.Resources) == 0 {
		p.fail(at.errorf(p.r.properties, "must allow actions on resources"))
	}
	for operator, keys := range mapOf(m["Condition"]) {
		switch strings.TrimPrefix(operator, "ForAllValues:") {
		case "StringEquals", "StringLike":
		default:
			p.fail(at.errorf(p.r.properties, "operator %s is not supported here", operator))
		}
		for key, values := range mapOf(keys) {
			s.Condition = append(s.Condition, Match{Operator: operator, Key: key, Values: oneOrMore(values)})
		}
	}
	slices.SortFunc(s.Condition, func(a, b Match) int { return strings.Compare(a.Key, b.Key) })
	return s
}

func oneOrMore(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	items, _ := v.([]any)
	return texts(items)
}
