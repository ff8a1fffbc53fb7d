package expression

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// Projection picks parts of items. A nil Projection keeps everything.
type Projection struct{ paths []Path }

// Projection reads a projection expression. A nil text is a nil Projection.
func (p *Placeholders) Projection(text *string) (*Projection, error) {
	if text == nil {
		return nil, nil
	}
	ps, err := p.parse("ProjectionExpression", *text)
	if err != nil {
		return nil, err
	}
	var paths []Path
	err = ps.list(func() error {
		path, err := ps.path()
		paths = append(paths, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := ps.end(); err != nil {
		return nil, err
	}
	return &Projection{paths: paths}, checkDisjoint(ps.source, paths)
}

// Roots lists the top-level attributes the projection names.
func (p *Projection) Roots() []string { return roots(p.paths) }

// Of returns the projected parts of item; maps and lists on the way to them
// hold nothing else.
func (p *Projection) Of(item attribute.Item) attribute.Item {
	if p == nil || item == nil {
		return item
	}
	paths := slices.SortedFunc(slices.Values(p.paths), comparePaths)
	picked, _ := pick(attribute.Value{Kind: attribute.Map, Fields: item}, paths)
	if picked.Fields == nil {
		return attribute.Item{}
	}
	return picked.Fields
}

// pick returns the parts of v that the paths lead to; ok is false for none.
func pick(v attribute.Value, paths []Path) (picked attribute.Value, ok bool) {
	picked = attribute.Value{Kind: v.Kind}
	for len(paths) > 0 {
		first := paths[0][0]
		var rest []Path
		paths = slices.DeleteFunc(slices.Clone(paths), func(p Path) bool {
			if p[0] != first {
				return false
			}
			if len(p) > 1 {
				rest = append(rest, p[1:])
			}
			return true
		})
		member, found := first.in(v)
		if found && len(rest) > 0 {
			member, found = pick(member, rest)
		}
		if found {
			picked = gather(picked, first, member)
		}
	}
	return picked, picked.Fields != nil || picked.Elements != nil
}

// gather adds a member to what was picked; a list keeps only picked members.
func gather(picked attribute.Value, s step, member attribute.Value) attribute.Value {
	if s.index >= 0 {
		picked.Elements = append(picked.Elements, member)
		return picked
	}
	if picked.Fields == nil {
		picked.Fields = attribute.Item{}
	}
	picked.Fields[s.name] = member
	return picked
}
