package sam

import (
	"path"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const functionKind = "AWS::Serverless::Function"

// readFunctions reads every function, with the template's globals applied.
func (d *document) readFunctions(t *Template) error {
	for _, r := range d.ofKind(functionKind) {
		f, err := d.function(r)
		if err != nil {
			return err
		}
		t.Functions = append(t.Functions, f)
	}
	return nil
}

func (d *document) function(r resource) (Function, error) {
	p := properties{d: d, r: r}
	f := Function{
		LogicalID:    r.id,
		Dir:          strings.Trim(strings.TrimPrefix(p.text("CodeUri"), "./"), "/"),
		Runtime:      p.text("Runtime"),
		Handler:      p.text("Handler"),
		Timeout:      time.Duration(p.integer("Timeout", 3)) * time.Second,
		MemoryMB:     p.integer("MemorySize", 128),
		Architecture: "x86_64",
		Environment:  p.environment(),
		Statements:   p.statements(),
	}
	f.Name = path.Base(f.Dir)
	if list := p.list("Architectures"); len(list) == 1 {
		f.Architecture = list[0]
	}
	return f, p.err
}

// properties reads a function's properties, falling back to the globals. The
// first error sticks.
type properties struct {
	d   *document
	r   resource
	err error
}

func (p *properties) node(key string) (*yaml.Node, place) {
	if n := child(p.r.properties, key); n != nil {
		return n, p.r.at.in(key)
	}
	return child(p.d.globals, key), "Globals.Function." + place(key)
}

func (p *properties) value(key string) any {
	n, at := p.node(key)
	v, err := p.d.value(n, at)
	p.fail(err)
	return v
}

func (p *properties) text(key string) string {
	s, ok := p.value(key).(string)
	if !ok {
		p.fail(p.r.at.errorf(p.r.properties, "%s must be a string", key))
	}
	return s
}

func (p *properties) integer(key string, otherwise int) int {
	n, at := p.node(key)
	if n == nil {
		return otherwise
	}
	v, err := strconv.Atoi(p.text(key))
	if err != nil {
		p.fail(at.errorf(n, "must be an integer"))
	}
	return v
}

func (p *properties) list(key string) []string {
	items, _ := p.value(key).([]any)
	return texts(items)
}

// environment merges the function's variables over the globals'.
func (p *properties) environment() map[string]string {
	merged := map[string]string{}
	p.merge(merged, child(child(p.d.globals, "Environment"), "Variables"), "Globals.Function.Environment.Variables")
	p.merge(merged, child(child(p.r.properties, "Environment"), "Variables"), p.r.at.in("Environment.Variables"))
	return merged
}

func (p *properties) merge(into map[string]string, n *yaml.Node, at place) {
	for name, v := range entries(n) {
		resolved, err := p.d.value(v, at.in(name))
		p.fail(err)
		if s, ok := resolved.(string); ok {
			into[name] = s
		} else if _, gone := resolved.(absent); !gone {
			p.fail(at.in(name).errorf(v, "must be a string"))
		}
	}
}

func (p *properties) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func texts(items []any) []string {
	var found []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			found = append(found, s)
		}
	}
	return found
}
