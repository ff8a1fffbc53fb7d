package backup

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
)

// ErrDamaged says that a backup is not what was recorded of it, or can't be
// opened. Nothing of it was put in place.
var ErrDamaged = errors.New("the backup is damaged")

// storageError is an answer of storage other than success. It names S3's own
// code, never the URL.
type storageError struct {
	status int
	code   string
}

var s3Code = regexp.MustCompile(`<Code>([A-Za-z0-9]{1,64})</Code>`)

func newStorageError(answer *http.Response, body []byte) *storageError {
	e := &storageError{status: answer.StatusCode}
	if m := s3Code.FindSubmatch(body); m != nil {
		e.code = string(m[1])
	}
	return e
}

// Error says what storage said.
func (e *storageError) Error() string {
	if e.code == "" {
		return fmt.Sprintf("storage answered %d", e.status)
	}
	return fmt.Sprintf("storage answered %d %s", e.status, e.code)
}

// passing reports whether the same request may succeed later.
func (e *storageError) passing() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

// transferError is a connection to storage that failed.
type transferError struct{ err error }

// Error says what failed.
func (e *transferError) Error() string { return "reach storage: " + e.err.Error() }

// Unwrap returns the cause.
func (e *transferError) Unwrap() error { return e.err }

func isStorage(err error) bool {
	if _, ok := errors.AsType[*transferError](err); ok {
		return true
	}
	_, ok := errors.AsType[*storageError](err)
	return ok
}

// Transient reports whether a failed Save or Restore may succeed later.
func Transient(err error) bool {
	if e, ok := errors.AsType[*storageError](err); ok {
		return e.passing()
	}
	return isStorage(err) || control.Transient(err)
}
