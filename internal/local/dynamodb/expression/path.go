package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// step is one element of a document path: a name, or an index into a list.
type step struct {
	name  string
	index int // -1 for a name
}

func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprintf("[%d]", s.index)
	}
	return s.name
}

// Path leads to a value in an item. Its first step is a name.
type Path []step

// Root is the top-level attribute the path starts from.
func (p Path) Root() string { return p[0].name }

// String renders the path as DynamoDB's messages do.
func (p Path) String() string {
	steps := make([]string, len(p))
	for i, s := range p {
		steps[i] = s.String()
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// in returns the value at the path.
func (p Path) in(item attribute.Item) (attribute.Value, bool) {
	v := attribute.Value{Kind: attribute.Map, Fields: item}
	for _, s := range p {
		var ok bool
		if v, ok = s.in(v); !ok {
			return attribute.Value{}, false
		}
	}
	return v, true
}

func (s step) in(v attribute.Value) (attribute.Value, bool) {
	if s.index < 0 {
		field, ok := v.Fields[s.name]
		return field, ok
	}
	if v.Kind != attribute.List || s.index >= len(v.Elements) {
		return attribute.Value{}, false
	}
	return v.Elements[s.index], true
}

// checkDisjoint refuses two paths of which one leads through the other, or
// of which one takes for a list what the other takes for a map.
func checkDisjoint(e *source, paths []Path) error {
	for i, a := range paths {
		for _, b := range paths[i+1:] {
			common := 0
			for common < min(len(a), len(b)) && a[common] == b[common] {
				common++
			}
			if common == len(a) || common == len(b) {
				return e.invalid("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", a, b)
			}
			if (a[common].index < 0) != (b[common].index < 0) {
				return e.invalid("Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", a, b)
			}
		}
	}
	return nil
}

// comparePaths orders paths by their steps, indexes as numbers.
func comparePaths(a, b Path) int {
	return slices.CompareFunc(a, b, func(x, y step) int {
		if x.index != y.index {
			return x.index - y.index
		}
		return strings.Compare(x.name, y.name)
	})
}
