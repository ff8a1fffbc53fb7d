package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Problem is an error as a client sees it: RFC 9457, with a stable code.
type Problem struct {
	Type      string           `json:"type"`
	Title     string           `json:"title"`
	Status    int              `json:"status"`
	Detail    string           `json:"detail"`
	Code      dcm.Code         `json:"code"`
	RequestID string           `json:"requestId"`
	Errors    []dcm.FieldError `json:"errors,omitempty"`
}

// internalDetail is all that a client learns about what it can't act on.
const internalDetail = "Something went wrong on our side. The request id finds it in our logs."

type appearance struct {
	status int
	title  string
}

// appearances is the one table from code to status.
func appearanceOf(code dcm.Code) appearance {
	switch code {
	case dcm.CodeInvalid:
		return appearance{http.StatusBadRequest, "The request is invalid"}
	case dcm.CodeUnauthenticated:
		return appearance{http.StatusUnauthorized, "The caller is not known"}
	case dcm.CodeForbidden:
		return appearance{http.StatusForbidden, "The caller may not do this"}
	case dcm.CodeNotFound:
		return appearance{http.StatusNotFound, "There is no such thing"}
	case dcm.CodeConflict:
		return appearance{http.StatusConflict, "The state of things does not allow this"}
	case dcm.CodePreconditionFailed:
		return appearance{http.StatusPreconditionFailed, "A precondition does not hold"}
	case dcm.CodeQuotaExceeded:
		return appearance{http.StatusTooManyRequests, "A quota is used up"}
	case dcm.CodeCapacityUnavailable:
		return appearance{http.StatusServiceUnavailable, "The provider has no capacity"}
	case dcm.CodeProviderAuth:
		return appearance{http.StatusFailedDependency, "The provider refused the credential"}
	case dcm.CodeProviderUnavailable:
		return appearance{http.StatusServiceUnavailable, "The provider is not available"}
	case dcm.CodeRateLimited:
		return appearance{http.StatusTooManyRequests, "Too many requests"}
	default:
		return appearance{http.StatusInternalServerError, "Internal error"}
	}
}

// retryAfter is the header of that name, in whole seconds; "" for none.
func retryAfter(err error) string {
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || e.RetryAfter <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)
}

// ProblemOf turns any error into what the client sees. An error without a code
// is internal, with a fixed text: it may hold an SDK's words.
func ProblemOf(err error, requestID string) Problem {
	code := dcm.ErrorCode(err)
	look := appearanceOf(code)
	p := Problem{
		Type: "about:blank", Title: look.title, Status: look.status,
		Detail: internalDetail, Code: code, RequestID: requestID,
	}
	if e, ok := errors.AsType[*dcm.Error](err); ok && look.status != http.StatusInternalServerError {
		p.Detail, p.Errors = e.Message, e.Fields
	}
	return p
}
