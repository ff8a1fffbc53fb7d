package sam

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// attribute answers !GetAtt LogicalId.Attribute, in both of its forms.
func (d *document) attribute(n *yaml.Node, at place) (any, error) {
	name := n.Value
	if n.Kind == yaml.SequenceNode {
		var parts []string
		for _, part := range n.Content {
			parts = append(parts, part.Value)
		}
		name = strings.Join(parts, ".")
	}
	if v, ok := d.options.Attributes[name]; ok {
		return v, nil
	}
	id, attribute, ok := strings.Cut(name, ".")
	if !ok {
		return nil, at.errorf(n, "%q names no attribute", name)
	}
	r, ok := d.byID[id]
	if !ok {
		return nil, at.errorf(n, "there is no resource %q", id)
	}
	if attribute != "Arn" {
		return nil, at.errorf(n, "attribute %s is not known here", name)
	}
	physical, err := d.ref(id, at, n)
	if err != nil {
		return nil, err
	}
	return arn(r.kind, physical.(string)), nil
}

// arn makes an ARN of the right shape in an account of zeros.
func arn(kind, name string) string {
	switch kind {
	case "AWS::S3::Bucket":
		return "arn:aws:s3:::" + name
	case "AWS::DynamoDB::Table":
		return "arn:aws:dynamodb:eu-central-1:000000000000:table/" + name
	case "AWS::KMS::Key":
		return "arn:aws:kms:eu-central-1:000000000000:key/" + name
	}
	service := strings.ToLower(strings.Split(kind, "::")[1])
	return "arn:aws:" + service + ":eu-central-1:000000000000:" + name
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// substitute answers !Sub text and !Sub [text, {name: value}].
func (d *document) substitute(n *yaml.Node, at place) (any, error) {
	text, own := n.Value, map[string]any{}
	if n.Kind == yaml.SequenceNode {
		if len(n.Content) != 2 {
			return nil, at.errorf(n, "takes a text and a mapping")
		}
		var err error
		text = n.Content[0].Value
		if own, err = d.mapping(n.Content[1], at); err != nil {
			return nil, err
		}
	}
	var failed error
	result := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		s, err := d.placeholder(strings.TrimSpace(match[2:len(match)-1]), own, at, n)
		if err != nil && failed == nil {
			failed = err
		}
		return s
	})
	return result, failed
}

func (d *document) placeholder(name string, own map[string]any, at place, n *yaml.Node) (string, error) {
	if literal, ok := strings.CutPrefix(name, "!"); ok {
		return "${" + literal + "}", nil
	}
	v, ok := own[name]
	if !ok {
		var err error
		if strings.Contains(name, ".") {
			v, err = d.attribute(&yaml.Node{Kind: yaml.ScalarNode, Value: name, Line: n.Line}, at)
		} else {
			v, err = d.ref(name, at, n)
		}
		if err != nil {
			return "", err
		}
	}
	s, ok := v.(string)
	if !ok {
		return "", at.errorf(n, "${%s} is not a string", name)
	}
	return s, nil
}

// join answers !Join [separator, list].
func (d *document) join(n *yaml.Node, at place) (any, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		return nil, at.errorf(n, "takes a separator and a list")
	}
	v, err := d.value(n.Content[1], at)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok {
		return nil, at.errorf(n, "the second argument is not a list")
	}
	parts := make([]string, len(items))
	for i, item := range items {
		if parts[i], ok = item.(string); !ok {
			return nil, at.errorf(n, "item %d is not a string", i)
		}
	}
	return strings.Join(parts, n.Content[0].Value), nil
}
