package dynamodb

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"
)

type queryRequest struct {
	pageOptions
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

func (s *Server) query(r *queryRequest) (any, error) {
	l, err := s.listing(&r.pageOptions)
	if err != nil {
		return nil, err
	}
	p, err := expression.NewPlaceholders(r.ExpressionAttributeNames, r.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	terms, err := p.KeyCondition(r.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	rd, err := r.reader(l, p)
	if err != nil {
		return nil, err
	}
	sp, err := l.schema.span(terms)
	if err != nil {
		return nil, err
	}
	if err := checkFilter(rd); err != nil {
		return nil, err
	}
	sp.backward = r.ScanIndexForward != nil && !*r.ScanIndexForward
	if sp.start, err = r.start(l, sp); err != nil {
		return nil, err
	}
	return r.page(s, rd, sp), nil
}

// start is where a query goes on, which must lie in its span.
func (o *pageOptions) start(l *listing, sp span) (string, error) {
	if o.ExclusiveStartKey == nil {
		return "", nil
	}
	start, err := l.position(o.ExclusiveStartKey)
	if err != nil {
		return "", err
	}
	if sp.low != "" && start < sp.low || sp.high != "" && start >= sp.high {
		return "", invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	return start, nil
}

// checkFilter refuses a filter on the key, which belongs in the key condition.
func checkFilter(rd *reader) error {
	if rd.filter == nil {
		return nil
	}
	for _, name := range rd.filter.Roots() {
		if rd.listing.schema.has(name) {
			return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
		}
	}
	return nil
}

// span turns a key condition into a range of keys.
func (k keySchema) span(terms []expression.KeyTerm) (span, error) {
	hash, rng, err := k.match(terms)
	if err != nil {
		return span{}, err
	}
	prefix := partition(hash.Values[0])
	low, high := prefix, prefixEnd(prefix)
	if rng == nil {
		return span{low: string(low), high: string(high)}, nil
	}
	at := func(v attribute.Value) []byte { return attribute.AppendKey(slices.Clone(prefix), v) }
	v := rng.Values[0]
	switch rng.Operator {
	case "=":
		low, high = at(v), prefixEnd(at(v))
	case "<":
		high = at(v)
	case "<=":
		high = prefixEnd(at(v))
	case ">":
		low = prefixEnd(at(v))
	case ">=":
		low = at(v)
	case "BETWEEN":
		low, high = at(v), prefixEnd(at(rng.Values[1]))
	case "begins_with":
		low = attribute.AppendPrefix(slices.Clone(prefix), v)
		high = prefixEnd(low)
	}
	return span{low: string(low), high: string(high)}, nil
}

// match assigns the terms to the key's attributes; rng is nil if there is no
// condition on it.
func (k keySchema) match(terms []expression.KeyTerm) (hash, rng *expression.KeyTerm, err error) {
	for i := range terms {
		t := &terms[i]
		switch {
		case t.Name == k.hash.name && hash == nil:
			hash = t
		case t.Name == k.rng.name && rng == nil:
			rng = t
		case k.has(t.Name):
			return nil, nil, invalid("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
		}
	}
	switch {
	case hash == nil:
		return nil, nil, invalid("Query condition missed key schema element: %s", k.hash.name)
	case len(terms) == 2 && rng == nil && k.rng.name != "":
		return nil, nil, invalid("Query condition missed key schema element: %s", k.rng.name)
	case len(terms) > 1 && rng == nil || len(terms) > 2:
		return nil, nil, invalid("Query key condition not supported")
	case hash.Operator != "=":
		return nil, nil, invalid("Query key condition not supported")
	}
	if err := k.hash.fits(hash); err != nil {
		return nil, nil, err
	}
	if rng == nil {
		return hash, nil, nil
	}
	return hash, rng, k.rng.fits(rng)
}

// fits refuses values that the key attribute can't have.
func (a keyAttribute) fits(t *expression.KeyTerm) error {
	for _, v := range t.Values {
		if v.Kind != a.kind {
			return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
		if a.kind != attribute.Number && v.Text == "" {
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kindNoun(a.kind), a.name)
		}
	}
	return nil
}
