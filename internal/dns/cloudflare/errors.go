package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Cloudflare's codes that mean something of their own to us.
const (
	codeNoRecord  = 81044
	codeQuota     = 81045
	codeHostTaken = 81053
	codeExists    = 81057
	codeIdentical = 81058
)

// apiError is what Cloudflare answered, fit for a log: unlike the library's
// error it doesn't hold the request, and with it the token.
type apiError struct {
	Status int
	Codes  []int64
	Text   string
}

func (e *apiError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Status, e.Text) }

// hasCode reports whether Cloudflare answered with the code.
func hasCode(err error, code int64) bool {
	var api *dns.Error
	if !errors.As(err, &api) {
		return false
	}
	for _, e := range api.Errors {
		if e.Code == code {
			return true
		}
	}
	return false
}

// failed says in our words why the call failed. Without an answer, or with one
// that isn't Cloudflare's, it is KindUnavailable: the call may have worked.
func (c *call) failed(err error) error {
	e := &dcm.ProviderError{Op: c.op, Err: err}
	var api *dns.Error
	if errors.As(err, &api) && len(api.Errors) > 0 {
		plain := plainError(api)
		e.Err = plain
		e.Kind, e.Message = kindOf(plain)
	} else {
		e.Kind, e.Message = c.bareKind(err)
		if api != nil {
			e.Err = &apiError{Status: api.StatusCode, Text: "no error in Cloudflare's form"}
		}
	}
	if e.Kind == dcm.KindRateLimited {
		e.RetryAfter = retryAfter(c.answer)
	}
	return e
}

func plainError(api *dns.Error) *apiError {
	plain := &apiError{Status: api.StatusCode}
	var texts []string
	for _, e := range api.Errors {
		plain.Codes = append(plain.Codes, e.Code)
		texts = append(texts, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	plain.Text = strings.Join(texts, "; ")
	return plain
}

// bareKind judges a failure that carries no error of Cloudflare's.
func (c *call) bareKind(err error) (dcm.ProviderKind, string) {
	if c.answer != nil {
		switch c.answer.StatusCode {
		case http.StatusTooManyRequests:
			return dcm.KindRateLimited, "Cloudflare asked us to slow down"
		case http.StatusUnauthorized, http.StatusForbidden:
			return dcm.KindAuth, "Cloudflare refused the API token"
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return dcm.KindUnavailable, "Cloudflare did not answer in time"
	}
	return dcm.KindUnavailable, "Cloudflare could not be reached, or its answer not be read"
}

// kindOf maps an error by its status where that is telling, then by its codes.
func kindOf(e *apiError) (dcm.ProviderKind, string) {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return dcm.KindRateLimited, "Cloudflare asked us to slow down"
	case e.Status >= 500:
		return dcm.KindUnavailable, "Cloudflare failed: " + e.Text
	}
	for _, code := range e.Codes {
		if kind, message := kindOfCode(code); kind != "" {
			return kind, message
		}
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return dcm.KindAuth, "Cloudflare refused the API token"
	}
	return dcm.KindInvalid, "Cloudflare refused the request: " + e.Text
}

func kindOfCode(code int64) (dcm.ProviderKind, string) {
	switch code {
	case codeExists, codeIdentical, codeHostTaken:
		return dcm.KindExists, "another record has this name already"
	case codeQuota:
		return dcm.KindQuota, "the Cloudflare zone holds as many records as it may"
	case codeNoRecord:
		return dcm.KindNotFound, "Cloudflare does not know the record"
	case 6003, 9106, 9109, 10000, 10001:
		return dcm.KindAuth, "the Cloudflare API token is not valid, or may not edit this zone's DNS"
	case 1001, 7000, 7003:
		return dcm.KindNotFound, "Cloudflare does not know the zone"
	default:
		return "", ""
	}
}

// retryAfter reads the header of that name: seconds, or a date, which is then
// compared with the answer's own.
func retryAfter(answer *http.Response) time.Duration {
	if answer == nil {
		return 0
	}
	text := answer.Header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < math.MaxInt32 {
		return time.Duration(math.Ceil(seconds)) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(date))
}

// incomplete is for an answer that says success and lacks what it must have.
func incomplete(op string) error {
	return &dcm.ProviderError{Kind: dcm.KindUnavailable, Op: op, Message: "Cloudflare's answer was incomplete"}
}
