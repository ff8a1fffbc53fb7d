package sam

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// readParameters takes every parameter's value from the options or its
// default. A parameter with neither is an error: it would fail in
// CloudFormation too.
func (d *document) readParameters(n *yaml.Node) error {
	d.parameters = map[string]parameter{}
	for name, p := range entries(n) {
		at := "Parameters." + place(name)
		text, given := d.options.Parameters[name]
		if !given {
			def := child(p, "Default")
			if def == nil {
				return at.errorf(p, "has no default and no value was given")
			}
			text = def.Value
		}
		value := parameter{text: text}
		if kind := child(p, "Type"); kind != nil && isList(kind.Value) {
			value.list = splitList(text)
		}
		d.parameters[name] = value
	}
	for name := range d.options.Parameters {
		if _, ok := d.parameters[name]; !ok {
			return fmt.Errorf("the template has no parameter %q", name)
		}
	}
	return nil
}

func isList(kind string) bool {
	return kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<")
}

func splitList(text string) []any {
	items := []any{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func (d *document) parameterText() map[string]string {
	texts := make(map[string]string, len(d.parameters))
	for name, p := range d.parameters {
		texts[name] = p.text
	}
	return texts
}
