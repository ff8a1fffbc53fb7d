package dcm

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is a stable, machine-readable reason. Clients may switch on it; its
// text never changes once released.
type Code string

// The codes an API client can meet.
const (
	CodeInvalid             Code = "invalid"
	CodeUnauthenticated     Code = "unauthenticated"
	CodeForbidden           Code = "forbidden"
	CodeNotFound            Code = "not_found"
	CodeConflict            Code = "conflict"
	CodePreconditionFailed  Code = "precondition_failed"
	CodeQuotaExceeded       Code = "quota_exceeded"
	CodeCapacityUnavailable Code = "capacity_unavailable"
	CodeProviderAuth        Code = "provider_auth"
	CodeProviderUnavailable Code = "provider_unavailable"
	CodeRateLimited         Code = "rate_limited"
	CodeInternal            Code = "internal"
)

// FieldError names one wrong field of a request and what is wrong with it.
// Field is the JSON name, the query parameter or the header.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a failure a client can be told about. Code and Message reach the
// client; Err is for the log only and is never shown.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError
	// RetryAfter is how long to wait before another try; 0 for what does not
	// get better by waiting, or nobody knows when.
	RetryAfter time.Duration
	Err        error
}

// Error renders the whole chain, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Field, f.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause, which is never shown to a client.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error whose message is for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithCause returns a copy of e that carries err for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// InvalidFields makes the error for bad input. It returns nil for no fields,
// so that a validator can return its collected list as is.
func InvalidFields(fields ...FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the request has invalid fields", Fields: fields}
}

// ErrorCode returns the code of the outermost *Error in err's chain,
// CodeInternal for any other error, and "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// ErrLostRace is returned by a conditional write whose condition no longer
// held: somebody else moved the item first. It is never retried blindly.
var ErrLostRace = errors.New("the item changed since it was read")

// ErrIdempotencyTaken is returned by TenantStore.CreateVM when the
// idempotency key was taken between the read and the write.
var ErrIdempotencyTaken = errors.New("the idempotency key is already in use")

// ErrForeignKey is returned by TenantStore.BindBootstrap when the bootstrap
// token was already used with another public key: somebody stole it.
var ErrForeignKey = errors.New("the bootstrap token is bound to another public key")
