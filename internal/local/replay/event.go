package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Event is one sample event.
type Event struct {
	Function string
	// Name is the file's name without its extension.
	Name string
	Text string
	// Status is the answer's HTTP status, 0 for a scheduled function.
	Status int
	// Code is the problem's code, "" where none is expected.
	Code string
}

var fileName = regexp.MustCompile(`^(?:(ok)-|([1-3]\d\d)-|([45]\d\d)-([a-z_]+)-)[a-z0-9-]+$`)

// Load reads every event below dir, by function.
func Load(dir string) (map[string][]Event, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	events := map[string][]Event{}
	for _, path := range files {
		e, err := load(path)
		if err != nil {
			return nil, err
		}
		events[e.Function] = append(events[e.Function], e)
	}
	return events, nil
}

func load(path string) (Event, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	e := Event{
		Function: filepath.Base(filepath.Dir(path)),
		Name:     strings.TrimSuffix(filepath.Base(path), ".json"),
		Text:     string(text),
	}
	m := fileName.FindStringSubmatch(e.Name)
	if m == nil {
		return Event{}, fmt.Errorf("%s: a name is <status>-<what>.json, <status>-<code>-<what>.json or ok-<what>.json", path)
	}
	e.Code = m[4]
	if status := m[2] + m[3]; status != "" {
		e.Status, err = strconv.Atoi(status)
	}
	return e, err
}

// Good reports whether the event is one that succeeds.
func (e Event) Good() bool { return e.Status < 400 }
