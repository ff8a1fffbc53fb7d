package sam

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// Parse resolves the text of a template.
func Parse(text []byte, o Options) (*Template, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	if len(file.Content) != 1 || file.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("a template is one mapping")
	}
	if err := refuseAliases(&file); err != nil {
		return nil, err
	}
	d, err := newDocument(file.Content[0], o)
	if err != nil {
		return nil, err
	}
	t := &Template{Parameters: d.parameterText()}
	for _, step := range []func(*Template) error{d.readFunctions, d.readEvents, d.readTables} {
		if err := step(t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// document is a template's text with what its intrinsics refer to.
type document struct {
	options    Options
	parameters map[string]parameter
	conditions map[string]*yaml.Node
	globals    *yaml.Node // Globals.Function, nil if there is none
	resources  []resource
	byID       map[string]resource
	depth      int // of nested resolutions, to notice circles
	steps      int // resolutions so far, to end what would double for ever
}

// parameter is a parameter's value: text, or a list.
type parameter struct {
	text string
	list []any
}

// resource is one resource of the template whose condition holds.
type resource struct {
	id         string
	kind       string
	at         place
	properties *yaml.Node
	metadata   *yaml.Node
}

// place is where in the template something stands, for errors.
type place string

func (p place) in(key string) place { return p + "." + place(key) }

func (p place) errorf(n *yaml.Node, format string, args ...any) error {
	line := 0
	if n != nil {
		line = n.Line
	}
	return fmt.Errorf("line %d: %s: %w", line, p, fmt.Errorf(format, args...))
}

func newDocument(root *yaml.Node, o Options) (*document, error) {
	d := &document{options: o, conditions: map[string]*yaml.Node{}, byID: map[string]resource{}}
	if err := d.readParameters(child(root, "Parameters")); err != nil {
		return nil, err
	}
	for key, n := range entries(child(root, "Conditions")) {
		d.conditions[key] = n
	}
	d.globals = child(child(root, "Globals"), "Function")
	for id, n := range entries(child(root, "Resources")) {
		r := resource{id: id, at: "Resources." + place(id), properties: child(n, "Properties"), metadata: child(n, "Metadata")}
		kind := child(n, "Type")
		if kind == nil {
			return nil, r.at.errorf(n, "has no Type")
		}
		r.kind = kind.Value
		if c := child(n, "Condition"); c != nil {
			holds, err := d.condition(c.Value, r.at.in("Condition"), c)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		d.resources = append(d.resources, r)
		d.byID[id] = r
	}
	return d, nil
}

// ofKind returns the resources of one type, in the template's order.
func (d *document) ofKind(kind string) []resource {
	var found []resource
	for _, r := range d.resources {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	return found
}
