package sam

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// absent is what !Ref AWS::NoValue resolves to: the property isn't there.
type absent struct{}

// value resolves a node to a string, a []any, a map[string]any or absent.
// Scalars stay text, as they do in CloudFormation.
func (d *document) value(n *yaml.Node, at place) (any, error) {
	if n == nil {
		return absent{}, nil
	}
	leave, err := d.enter(n)
	if err != nil {
		return nil, err
	}
	defer leave()
	if name, argument, ok := intrinsic(n); ok {
		return d.call(name, argument, at.in("!"+name))
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		return d.list(n, at)
	case yaml.MappingNode:
		return d.mapping(n, at)
	}
	return nil, at.errorf(n, "can't be read")
}

// A template within CloudFormation's own limits stays far below these. What
// goes deeper runs in a circle; what takes more steps doubles at every level.
const (
	maxDepth = 100
	maxSteps = 200_000
)

// enter counts a step down; leave takes it back.
func (d *document) enter(n *yaml.Node) (leave func(), err error) {
	if d.depth >= maxDepth {
		return nil, fmt.Errorf("line %d: this refers to itself, or is nested too deeply", n.Line)
	}
	if d.steps++; d.steps > maxSteps {
		return nil, fmt.Errorf("line %d: the template takes too many steps to resolve", n.Line)
	}
	d.depth++
	return func() { d.depth-- }, nil
}

func (d *document) list(n *yaml.Node, at place) ([]any, error) {
	values := []any{}
	for i, item := range n.Content {
		v, err := d.value(item, at.in(fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		if _, gone := v.(absent); !gone {
			values = append(values, v)
		}
	}
	return values, nil
}

func (d *document) mapping(n *yaml.Node, at place) (map[string]any, error) {
	values := map[string]any{}
	for key, item := range entries(n) {
		v, err := d.value(item, at.in(key))
		if err != nil {
			return nil, err
		}
		if _, gone := v.(absent); !gone {
			values[key] = v
		}
	}
	return values, nil
}

func (d *document) call(name string, argument *yaml.Node, at place) (any, error) {
	switch name {
	case "Ref":
		return d.ref(argument.Value, at, argument)
	case "GetAtt":
		return d.attribute(argument, at)
	case "Sub":
		return d.substitute(argument, at)
	case "Join":
		return d.join(argument, at)
	case "If":
		return d.choose(argument, at)
	case "Equals", "Not", "And", "Or", "Condition":
		return nil, at.errorf(argument, "belongs in Conditions")
	}
	return nil, at.errorf(argument, "Fn::%s is not supported here", name)
}

// ref answers !Ref of a parameter, a pseudo parameter or a resource.
func (d *document) ref(name string, at place, n *yaml.Node) (any, error) {
	if p, ok := d.parameters[name]; ok {
		if p.list != nil {
			return p.list, nil
		}
		return p.text, nil
	}
	if strings.HasPrefix(name, "AWS::") {
		return d.pseudo(name, at, n)
	}
	if v, ok := d.options.Resources[name]; ok {
		return v, nil
	}
	if r, ok := d.byID[name]; ok {
		return d.physicalName(r)
	}
	return nil, at.errorf(n, "there is no parameter or resource %q", name)
}

// physicalName is the name a resource carries in its properties, or else its
// logical id: what CloudFormation would make up can't be known here.
func (d *document) physicalName(r resource) (string, error) {
	for _, key := range []string{"TableName", "BucketName", "QueueName", "FunctionName", "LogGroupName"} {
		if n := child(r.properties, key); n != nil {
			return d.text(n, r.at.in(key))
		}
	}
	return r.id, nil
}

func (d *document) pseudo(name string, at place, n *yaml.Node) (any, error) {
	if v, ok := d.options.Pseudo[name]; ok {
		return v, nil
	}
	switch name {
	case "AWS::NoValue":
		return absent{}, nil
	case "AWS::Region":
		return "eu-central-1", nil
	case "AWS::AccountId":
		return "000000000000", nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return "local", nil
	}
	return nil, at.errorf(n, "pseudo parameter %s is not supported here", name)
}

// text resolves a node that must be a scalar.
func (d *document) text(n *yaml.Node, at place) (string, error) {
	v, err := d.value(n, at)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", at.errorf(n, "must be a string")
	}
	return s, nil
}
