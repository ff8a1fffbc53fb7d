package sam

import (
	"reflect"

	"gopkg.in/yaml.v3"
)

// choose answers !If [condition, then, else].
func (d *document) choose(n *yaml.Node, at place) (any, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 3 {
		return nil, at.errorf(n, "takes a condition and two values")
	}
	holds, err := d.condition(n.Content[0].Value, at, n)
	if err != nil {
		return nil, err
	}
	if holds {
		return d.value(n.Content[1], at.in("then"))
	}
	return d.value(n.Content[2], at.in("else"))
}

// condition evaluates the condition of this name.
func (d *document) condition(name string, at place, n *yaml.Node) (bool, error) {
	c, ok := d.conditions[name]
	if !ok {
		return false, at.errorf(n, "there is no condition %q", name)
	}
	leave, err := d.enter(c)
	if err != nil {
		return false, err
	}
	defer leave()
	return d.holds(c, "Conditions."+place(name))
}

func (d *document) holds(n *yaml.Node, at place) (bool, error) {
	name, argument, ok := conditionCall(n)
	if !ok {
		return false, at.errorf(n, "is not a condition")
	}
	at = at.in("!" + name)
	switch name {
	case "Condition":
		return d.condition(argument.Value, at, argument)
	case "Equals":
		return d.equal(argument, at)
	case "Not", "And", "Or":
		return d.combine(name, argument, at)
	}
	return false, at.errorf(n, "Fn::%s is not supported in a condition", name)
}

// conditionCall is intrinsic, where {Condition: name} is a call too.
func conditionCall(n *yaml.Node) (string, *yaml.Node, bool) {
	if c := child(n, "Condition"); c != nil && len(n.Content) == 2 {
		return "Condition", c, true
	}
	return intrinsic(n)
}

func (d *document) equal(n *yaml.Node, at place) (bool, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		return false, at.errorf(n, "takes two values")
	}
	left, err := d.value(n.Content[0], at)
	if err != nil {
		return false, err
	}
	right, err := d.value(n.Content[1], at)
	if err != nil {
		return false, err
	}
	return reflect.DeepEqual(left, right), nil
}

func (d *document) combine(name string, n *yaml.Node, at place) (bool, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return false, at.errorf(n, "takes a list of conditions")
	}
	all, some := true, false
	for _, item := range n.Content {
		holds, err := d.holds(item, at)
		if err != nil {
			return false, err
		}
		all, some = all && holds, some || holds
	}
	switch name {
	case "And":
		return all, nil
	case "Or":
		return some, nil
	}
	return !all, nil
}
