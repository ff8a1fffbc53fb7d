package sam

import "errors"

// Parse resolves the text of a template.
func Parse(text []byte, o Options) (*Template, error) {
	return nil, errors.New("not written yet")
}
