// Package attribute holds DynamoDB's attribute values: their JSON, their
// limits, their sizes as billed, and the order of keys.
package attribute

import "fmt"

// InvalidError is input that DynamoDB refuses with a ValidationException.
type InvalidError struct{ Message string }

// Error returns the message, as DynamoDB words it where that is known.
func (e *InvalidError) Error() string { return e.Message }

// Invalidf makes an *InvalidError.
func Invalidf(format string, args ...any) error {
	return &InvalidError{Message: fmt.Sprintf(format, args...)}
}
