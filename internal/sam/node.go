package sam

import (
	"fmt"
	"iter"
	"strings"

	"gopkg.in/yaml.v3"
)

// child returns the value under key, nil if n is no mapping or has none.
func child(n *yaml.Node, key string) *yaml.Node {
	for k, v := range entries(n) {
		if k == key {
			return v
		}
	}
	return nil
}

// entries yields a mapping's keys and values in order, and nothing for
// anything else.
func entries(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// refuseAliases reports the first YAML alias: CloudFormation knows none.
func refuseAliases(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return fmt.Errorf("line %d: YAML aliases are not supported", n.Line)
	}
	for _, c := range n.Content {
		if err := refuseAliases(c); err != nil {
			return err
		}
	}
	return nil
}

// intrinsic takes apart a call of one of CloudFormation's functions, in its
// short form (!Sub x) or its long one ({Fn::Sub: x}). The name comes without
// "Fn::".
func intrinsic(n *yaml.Node) (name string, argument *yaml.Node, ok bool) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		bare := *n
		bare.Tag = ""
		return strings.TrimPrefix(n.Tag, "!"), &bare, true
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil, false
	}
	key := n.Content[0].Value
	if rest, found := strings.CutPrefix(key, "Fn::"); found {
		return rest, n.Content[1], true
	}
	if key == "Ref" {
		return key, n.Content[1], true
	}
	return "", nil, false
}
