package sam

import (
	"path"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// readEvents reads every function's routes and schedules.
func (d *document) readEvents(t *Template) error {
	for _, r := range d.ofKind(functionKind) {
		f := t.functionByID(r.id)
		for name, n := range entries(child(r.properties, "Events")) {
			at := r.at.in("Events").in(name)
			if err := d.event(t, f.Name, name, n, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Template) functionByID(id string) *Function {
	for i := range t.Functions {
		if t.Functions[i].LogicalID == id {
			return &t.Functions[i]
		}
	}
	return nil
}

func (d *document) event(t *Template, function, name string, n *yaml.Node, at place) error {
	kind, err := d.text(child(n, "Type"), at.in("Type"))
	if err != nil {
		return err
	}
	switch kind {
	case "HttpApi":
		route, err := d.route(function, child(n, "Properties"), at)
		if err == nil {
			t.Routes = append(t.Routes, route)
		}
		return err
	case "Schedule", "ScheduleV2":
		schedule, err := d.schedule(function, name, kind, child(n, "Properties"), at)
		if err == nil {
			t.Schedules = append(t.Schedules, schedule)
		}
		return err
	}
	return at.errorf(n, "events of type %s are not supported here", kind)
}

func (d *document) schedule(function, name, kind string, n *yaml.Node, at place) (Schedule, error) {
	key := "Schedule"
	if kind == "ScheduleV2" {
		key = "ScheduleExpression"
	}
	s := Schedule{Name: name, Function: function, Enabled: true}
	var err error
	if s.Expression, err = d.text(child(n, key), at.in(key)); err != nil {
		return s, err
	}
	if s.Every, err = interval(s.Expression); err != nil {
		return s, at.errorf(child(n, key), "%w", err)
	}
	if input := child(n, "Input"); input != nil {
		if s.Input, err = d.text(input, at.in("Input")); err != nil {
			return s, err
		}
	}
	return s, d.disable(&s, n, at)
}

// disable reads the two spellings of a schedule that is switched off.
func (d *document) disable(s *Schedule, n *yaml.Node, at place) error {
	for _, key := range []string{"Enabled", "State"} {
		if child(n, key) == nil {
			continue
		}
		v, err := d.text(child(n, key), at.in(key))
		if err != nil {
			return err
		}
		s.Enabled = strings.EqualFold(v, "true") || v == "ENABLED"
	}
	return nil
}

// interval turns rate(n unit) into a duration. Cron expressions are refused:
// nothing here uses one.
func interval(expression string) (time.Duration, error) {
	inner, ok := strings.CutPrefix(expression, "rate(")
	inner, closed := strings.CutSuffix(inner, ")")
	fields := strings.Fields(inner)
	if !ok || !closed || len(fields) != 2 {
		return 0, errorText("only rate(n unit) is supported, not " + expression)
	}
	n, err := strconv.Atoi(fields[0])
	unit, known := map[string]time.Duration{
		"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
	}[strings.TrimSuffix(fields[1], "s")]
	if err != nil || n < 1 || !known {
		return 0, errorText("bad rate: " + expression)
	}
	return time.Duration(n) * unit, nil
}

type errorText string

func (e errorText) Error() string { return string(e) }

// routePath is a route's path as API Gateway keeps it.
func routePath(text string) string { return path.Clean("/" + text) }
