package sweep

import "encoding/json"

// Order is what a run is asked to do: the function's payload. A schedule's event
// asks for nothing.
type Order struct {
	// DryRun asks for a list of what would be done, and that nothing is.
	DryRun bool
}

// UnmarshalJSON reads a payload. Whatever is not an object asks for nothing; an
// order that is there and can't be read is refused, and not taken for none.
func (o *Order) UnmarshalJSON(raw []byte) error {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	var given struct {
		DryRun bool `json:"dryRun"`
	}
	if err := json.Unmarshal(raw, &given); err != nil {
		return err
	}
	o.DryRun = given.DryRun
	return nil
}
