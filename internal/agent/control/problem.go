package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Problem is an answer other than success.
type Problem struct {
	Path   string // of the call, below the VM
	Status int
	// Code is the control plane's own word; empty if something in front of it
	// answered, for example a proxy or a missing route.
	Code      dcm.Code
	Detail    string
	RequestID string
	wait      time.Duration
}

// Error says what was asked and what was answered.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%s: %d %s %s", p.Path, p.Status, p.Code, p.Detail)
	if p.RequestID != "" {
		text += " (request " + p.RequestID + ")"
	}
	return text
}

// RetryAfter is what the answer asked for; zero for nothing.
func (p *Problem) RetryAfter() time.Duration { return p.wait }

func newProblem(path string, r *http.Response, body []byte) *Problem {
	p := &Problem{Path: path, Status: r.StatusCode, wait: retryAfter(r.Header.Get("Retry-After"))}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/problem+json" {
		p.Detail = http.StatusText(r.StatusCode)
		return p
	}
	var fields struct {
		Code      dcm.Code
		Detail    string
		RequestID string `json:"requestId"`
	}
	_ = json.Unmarshal(body, &fields)
	p.Code, p.Detail, p.RequestID = fields.Code, fields.Detail, fields.RequestID
	return p
}

// retryAfter reads a Retry-After header, which is seconds or a date.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 86400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// unreachable is a call without an answer: nobody knows whether it happened.
type unreachable struct {
	path string
	err  error
}

// Error says what was asked and what failed.
func (u *unreachable) Error() string {
	return "reach the control plane, " + u.path + ": " + u.err.Error()
}

// Unwrap returns the cause.
func (u *unreachable) Unwrap() error { return u.err }

// Transient reports whether the same call may succeed later: no answer came,
// or one that blames the server or the pace. A call that was cancelled is not
// worth repeating.
func Transient(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		switch {
		case p.Status >= 500, p.Status == http.StatusTooManyRequests, p.Status == http.StatusRequestTimeout:
			return true
		case p.Status == http.StatusNotFound && p.Code == "":
			// A route that is not there, or not there yet: not about our VM.
			return true
		}
		return false
	}
	_, ok := errors.AsType[*unreachable](err)
	return ok
}

// Ended reports whether the control plane itself says that it does not know
// the VM any more.
func Ended(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Code == dcm.CodeNotFound || p.Status == http.StatusGone)
}

// Refused reports whether the control plane does not accept the caller: its
// token, or who holds it.
func Refused(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden)
}
