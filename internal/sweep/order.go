package sweep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Order is what a run is asked to do: the function's payload.
type Order struct {
	// DryRun asks for a list of what would be done, and that nothing is.
	DryRun bool
	// Careful asks for a run after one that was killed, which none may be by the
	// same thing before it has come to the others. No payload can ask for it.
	Careful bool
}

// errOrder says what a payload may be.
var errOrder = errors.New(`a sweep takes a schedule's event, {} or {"dryRun": true}, and nothing was done`)

// UnmarshalJSON reads a payload: the event of a schedule or nothing at all ask
// for a run, {"dryRun": true} for a dry one. Anything else is refused: whoever
// misspells the wish for a dry run must not get a real one.
func (o *Order) UnmarshalJSON(raw []byte) error {
	*o = Order{}
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return fmt.Errorf("%w: the payload is no object", errOrder)
	}
	wish, asked := given["dryRun"]
	if asked {
		switch string(wish) {
		case "true":
			o.DryRun = true
		case "false":
		default:
			return fmt.Errorf("%w: dryRun is neither true nor false", errOrder)
		}
	}
	event := len(given["source"]) > 0 && len(given["detail-type"]) > 0
	for name := range given {
		if name != "dryRun" && !(event && ofEvent(name)) {
			return fmt.Errorf("%w: it does not know %q", errOrder, name)
		}
	}
	return nil
}

// ofEvent reports whether EventBridge's events have a field of this name.
func ofEvent(name string) bool {
	switch name {
	case "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail":
		return true
	}
	return false
}
