package expression

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

func invalidPath() error {
	return attribute.Invalidf("The document path provided in the update expression is invalid for update")
}

// assign puts v at the path under container, which it changes in place and
// returns. Everything on the way must exist; a list index past the end
// appends.
func assign(container attribute.Value, path Path, v attribute.Value) (attribute.Value, error) {
	s := path[0]
	if len(path) > 1 {
		child, ok := s.in(container)
		if !ok {
			return container, invalidPath()
		}
		var err error
		if v, err = assign(child, path[1:], v); err != nil {
			return container, err
		}
	}
	return put(container, s, v)
}

// remove deletes what the path leads to under container, which it changes in
// place and returns. It need not exist, but everything on the way must.
func remove(container attribute.Value, path Path) (attribute.Value, error) {
	s := path[0]
	child, ok := s.in(container)
	switch {
	case len(path) > 1 && !ok:
		return container, invalidPath()
	case len(path) > 1:
		child, err := remove(child, path[1:])
		if err != nil {
			return container, err
		}
		return put(container, s, child)
	case !s.fits(container):
		return container, invalidPath()
	case ok && s.index >= 0:
		container.Elements = slices.Delete(container.Elements, s.index, s.index+1)
	case ok:
		delete(container.Fields, s.name)
	}
	return container, nil
}

// checkParent refuses a path whose last step leads from nothing, or from what
// can't have such a member.
func (p Path) checkParent(item attribute.Item) error {
	last := len(p) - 1
	parent, ok := p[:last].in(item)
	if !ok || !p[last].fits(parent) {
		return invalidPath()
	}
	return nil
}

// fits reports whether the step can lead into v at all.
func (s step) fits(v attribute.Value) bool {
	if s.index >= 0 {
		return v.Kind == attribute.List
	}
	return v.Kind == attribute.Map
}

// put sets one member of container, in place where it can.
func put(container attribute.Value, s step, v attribute.Value) (attribute.Value, error) {
	switch {
	case !s.fits(container):
		return container, invalidPath()
	case s.index < 0 && container.Fields == nil:
		container.Fields = attribute.Item{s.name: v}
	case s.index < 0:
		container.Fields[s.name] = v
	case s.index < len(container.Elements):
		container.Elements[s.index] = v
	default:
		container.Elements = append(container.Elements, v)
	}
	return container, nil
}
