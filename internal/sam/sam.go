// Package sam reads template.yaml: which functions there are, with which
// environment, behind which routes and schedules, over which table. The local
// stack is built from it and the parity tests compare against it, so neither
// can drift from what is deployed.
//
// CloudFormation's intrinsics are resolved with the parameters' defaults or
// the values given in Options. What can't be resolved is an error that names
// the place in the template; nothing is ever guessed.
package sam

import (
	"fmt"
	"os"
	"time"
)

// Template is what the local stack and the parity tests need of a template.
// All slices are in the order of the template.
type Template struct {
	Functions []Function
	Routes    []Route
	Schedules []Schedule
	Tables    []Table
	// Parameters are the values in force: defaults, or those of Options.
	Parameters map[string]string
}

// Function is one Lambda function.
type Function struct {
	// LogicalID is the resource's name, for example "VmsCreateFunction".
	LogicalID string
	// Name is the folder under functions/, for example "vms-create".
	Name string
	// Dir is CodeUri, relative to the template, for example "functions/vms-create".
	Dir         string
	Environment map[string]string
	Timeout     time.Duration
	MemoryMB    int
	Runtime     string
	Handler     string
	// Architecture is "arm64" or "x86_64".
	Architecture string
	// Statements are what the function's role allows.
	Statements []Statement
}

// Route is one route of the HTTP API.
type Route struct {
	// Method is in upper case, "ANY" for all.
	Method string
	// Path has API Gateway's form, for example "/vms/{id}/heartbeat".
	Path string
	// Function is Function.Name.
	Function string
	// Authorizer is nil on a route that API Gateway lets everyone call.
	Authorizer *Authorizer
	// RatePerSecond and Burst are the route's throttling, or the stage's
	// where the route has none of its own; 0 for none at all.
	RatePerSecond float64
	Burst         int
}

// Key is the route as API Gateway names it: "POST /vms".
func (r Route) Key() string { return r.Method + " " + r.Path }

// Authorizer is a JWT authorizer of the HTTP API.
type Authorizer struct {
	Name     string
	Issuer   string
	Audience []string
}

// Schedule runs a function regularly.
type Schedule struct {
	// Name is the event's name in the template.
	Name string
	// Function is Function.Name.
	Function string
	// Expression is as written, "rate(1 minute)"; Every is what it means.
	Expression string
	Every      time.Duration
	// Input is the event's constant input, "" for the standard event.
	Input   string
	Enabled bool
}

// Table is a DynamoDB table.
type Table struct {
	LogicalID string
	// Name is TableName, or the logical id where the template leaves it to
	// CloudFormation; a !Ref to the table resolves to the same.
	Name       string
	Attributes map[string]string // attribute name → "S", "N" or "B"
	Key        KeySchema
	Indexes    []Index
	// TTLAttribute is "" if time to live is off.
	TTLAttribute       string
	PointInTime        bool
	DeletionProtection bool
}

// KeySchema names the key attributes. Range is "" where there is none.
type KeySchema struct {
	Hash  string
	Range string
}

// Index is a global secondary index. Projection is ALL, KEYS_ONLY or INCLUDE.
type Index struct {
	Name       string
	Key        KeySchema
	Projection string
	NonKey     []string
}

// Options say what the template leaves open.
type Options struct {
	// Parameters override the parameters' defaults. One that the template
	// does not declare is an error, as in CloudFormation.
	Parameters map[string]string
	// Resources are what !Ref of a resource answers; without an entry it is
	// the resource's own name, or its logical id.
	Resources map[string]string
	// Attributes are what !GetAtt answers, by "LogicalId.Attribute". Without
	// an entry, Arn answers a plausible ARN, and anything else is an error.
	Attributes map[string]string
	// Pseudo overrides pseudo parameters, by name ("AWS::Region").
	Pseudo map[string]string
}

// Load reads and resolves the template at path.
func Load(path string, o Options) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := Parse(text, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Function returns the function with this Name, nil if there is none.
func (t *Template) Function(name string) *Function {
	for i := range t.Functions {
		if t.Functions[i].Name == name {
			return &t.Functions[i]
		}
	}
	return nil
}

// Table returns the table with this logical id, nil if there is none.
func (t *Template) Table(logicalID string) *Table {
	for i := range t.Tables {
		if t.Tables[i].LogicalID == logicalID {
			return &t.Tables[i]
		}
	}
	return nil
}
