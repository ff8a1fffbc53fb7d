package expression

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// Update is an update expression, checked and ready.
type Update struct {
	sets    []assignment
	adds    []change
	deletes []change
	removes []Path
}

// assignment is one path = value of SET.
type assignment struct {
	path  Path
	value valueExpression
}

// change is one path :value of ADD or DELETE.
type change struct {
	path  Path
	value attribute.Value
}

// Paths lists everything the update writes.
func (u *Update) Paths() []Path { return slices.Concat(u.removes, u.written()) }

// written lists what the update gives a value.
func (u *Update) written() []Path {
	var paths []Path
	for _, a := range u.sets {
		paths = append(paths, a.path)
	}
	for _, c := range slices.Concat(u.adds, u.deletes) {
		paths = append(paths, c.path)
	}
	return paths
}

// Touched projects the item before the update on what the update writes.
func (u *Update) Touched() *Projection { return &Projection{paths: u.Paths()} }

// Written projects the item after the update on what it gave a value.
func (u *Update) Written() *Projection { return &Projection{paths: u.written()} }

// Apply returns item as it is after the update. Every value is taken from
// item as it was before. Errors are *attribute.InvalidError.
func (u *Update) Apply(item attribute.Item) (attribute.Item, error) {
	root := attribute.Value{Kind: attribute.Map, Fields: item.Clone()}
	writes, err := u.writes(item)
	if err != nil {
		return nil, err
	}
	// In the order of their indexes, so that several writes past the end of
	// a list append in that order.
	slices.SortStableFunc(writes, func(a, b change) int { return comparePaths(a.path, b.path) })
	for _, w := range writes {
		if root, err = assign(root, w.path, w.value); err != nil {
			return nil, err
		}
	}
	removes := slices.Concat(u.removes, u.emptied(item))
	// From the back, so that no removal shifts what a later one means.
	slices.SortFunc(removes, func(a, b Path) int { return comparePaths(b, a) })
	for _, path := range removes {
		if root, err = remove(root, path); err != nil {
			return nil, err
		}
	}
	return root.Fields, nil
}

// writes resolves SET, ADD and what DELETE leaves against the item.
func (u *Update) writes(item attribute.Item) ([]change, error) {
	var writes []change
	for _, a := range u.sets {
		v, err := a.value.resolve(item)
		if err != nil {
			return nil, err
		}
		writes = append(writes, change{a.path, v})
	}
	for _, c := range u.adds {
		v, err := c.added(item)
		if err != nil {
			return nil, err
		}
		writes = append(writes, change{c.path, v})
	}
	for _, c := range u.deletes {
		rest, present, err := c.subtracted(item)
		if err != nil {
			return nil, err
		}
		if present && len(rest.Elements) > 0 {
			writes = append(writes, change{c.path, rest})
		}
	}
	return writes, nil
}

// emptied lists the sets that DELETE leaves without a member: there is no
// empty set.
func (u *Update) emptied(item attribute.Item) []Path {
	var paths []Path
	for _, c := range u.deletes {
		if rest, present, _ := c.subtracted(item); present && len(rest.Elements) == 0 {
			paths = append(paths, c.path)
		}
	}
	return paths
}

// added is the value at the path plus the operand: a sum or a union.
func (c change) added(item attribute.Item) (attribute.Value, error) {
	old, ok := c.path.in(item)
	switch {
	case !ok:
		return c.value, nil
	case old.Kind != c.value.Kind:
		return old, incorrectData()
	case old.Kind == attribute.Number:
		sum, err := old.Number.Add(c.value.Number)
		return attribute.Numeric(sum), err
	}
	return attribute.SetOf(old.Kind, slices.Concat(old.Elements, c.value.Elements)), nil
}

// subtracted is the set at the path less the operand's members.
func (c change) subtracted(item attribute.Item) (rest attribute.Value, present bool, err error) {
	old, ok := c.path.in(item)
	if !ok {
		return old, false, c.path.checkParent(item)
	}
	if old.Kind != c.value.Kind {
		return old, true, incorrectData()
	}
	left := slices.DeleteFunc(slices.Clone(old.Elements), c.value.Contains)
	return attribute.Value{Kind: old.Kind, Elements: left}, true, nil
}

func incorrectData() error {
	return attribute.Invalidf("An operand in the update expression has an incorrect data type")
}
