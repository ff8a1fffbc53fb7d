package expression

import (
	"maps"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// Placeholders are a request's ExpressionAttributeNames and -Values, and
// which of them its expressions used.
type Placeholders struct {
	names      map[string]string
	values     attribute.Item
	usedNames  map[string]bool
	usedValues map[string]bool
	parsed     bool
}

// NewPlaceholders checks names and values; nil means not given.
func NewPlaceholders(names map[string]string, values attribute.Item) (*Placeholders, error) {
	if err := checkKeys("ExpressionAttributeNames", "#", names); err != nil {
		return nil, err
	}
	if err := checkKeys("ExpressionAttributeValues", ":", values); err != nil {
		return nil, err
	}
	return &Placeholders{names: names, values: values,
		usedNames: map[string]bool{}, usedValues: map[string]bool{}}, values.CheckDepth()
}

func checkKeys[V any](parameter, sign string, m map[string]V) error {
	if m != nil && len(m) == 0 {
		return attribute.Invalidf("%s must not be empty", parameter)
	}
	for key := range m {
		rest, ok := strings.CutPrefix(key, sign)
		if !ok || rest == "" || wordLength(rest) != len(rest) {
			return attribute.Invalidf("%s contains invalid key: Syntax error; key: %q", parameter, key)
		}
	}
	return nil
}

// Finish refuses placeholders that no expression used.
func (p *Placeholders) Finish() error {
	if !p.parsed {
		if p.names != nil {
			return attribute.Invalidf("ExpressionAttributeNames can only be specified when using expressions")
		}
		if p.values != nil {
			return attribute.Invalidf("ExpressionAttributeValues can only be specified when using expressions")
		}
	}
	if unused := unusedKeys(p.names, p.usedNames); unused != "" {
		return attribute.Invalidf("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", unused)
	}
	if unused := unusedKeys(p.values, p.usedValues); unused != "" {
		return attribute.Invalidf("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", unused)
	}
	return nil
}

func unusedKeys[V any](given map[string]V, used map[string]bool) string {
	var unused []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !used[key] {
			unused = append(unused, key)
		}
	}
	return strings.Join(unused, ", ")
}

func (p *Placeholders) name(e *source, key string) (string, error) {
	name, ok := p.names[key]
	if !ok {
		return "", e.invalid("An expression attribute name used in the document path is not defined; attribute name: %s", key)
	}
	p.usedNames[key] = true
	return name, nil
}

func (p *Placeholders) value(e *source, key string) (attribute.Value, error) {
	v, ok := p.values[key]
	if !ok {
		return v, e.invalid("An expression attribute value used in expression is not defined; attribute value: %s", key)
	}
	p.usedValues[key] = true
	return v, nil
}
