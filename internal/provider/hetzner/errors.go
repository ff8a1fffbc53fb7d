package hetzner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// tokenReadonly is the older code for a token that may only read. hcloud-go
// has renamed its constant away; the API may still answer it.
const tokenReadonly hcloud.ErrorCode = "token_readonly"

// callError says in our words why a call failed. Without an answer, or with
// one that is not the API's, it is KindUnavailable: the call may have worked.
func callError(op string, response *hcloud.Response, err error) error {
	e := &dcm.ProviderError{Op: op, Err: err}
	var api hcloud.Error
	if !errors.As(err, &api) {
		e.Kind, e.Message = bareKind(response, err)
	} else {
		e.Kind, e.Message = kindOf(api)
	}
	if e.Kind == dcm.KindRateLimited {
		e.RetryAfter = retryAfter(response)
	}
	return e
}

// bareKind judges a failure that carries no error of the API's: the network's,
// or a status from something in between. Such a 404 does not say that a server
// is gone.
func bareKind(response *hcloud.Response, err error) (dcm.ProviderKind, string) {
	if response != nil && response.Response != nil {
		switch response.StatusCode {
		case http.StatusTooManyRequests:
			return dcm.KindRateLimited, "Hetzner asked us to slow down"
		case http.StatusUnauthorized:
			return dcm.KindAuth, "Hetzner refused the API token"
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return dcm.KindUnavailable, "Hetzner did not answer in time"
	}
	return dcm.KindUnavailable, "Hetzner could not be reached, or its answer not be read"
}

// kindOf maps the API's codes.
func kindOf(e hcloud.Error) (dcm.ProviderKind, string) {
	switch e.Code {
	case hcloud.ErrorCodeNotFound:
		return dcm.KindNotFound, "Hetzner does not know it"
	case hcloud.ErrorCodeUniquenessError:
		return dcm.KindExists, "the name is already in use in the Hetzner project"
	case hcloud.ErrorCodeResourceUnavailable, hcloud.ErrorCodePlacementError, hcloud.ErrorCodeInvalidServerType:
		return dcm.KindCapacity, "not available at Hetzner: " + e.Message
	case hcloud.ErrorCodeResourceLimitExceeded:
		return dcm.KindQuota, "the Hetzner account's limit is reached: " + e.Message
	case hcloud.ErrorCodeUnauthorized:
		return dcm.KindAuth, "Hetzner refused the API token"
	case hcloud.ErrorCodeForbidden, tokenReadonly:
		return dcm.KindAuth, "the Hetzner API token may not do this; it needs read and write permission"
	case hcloud.ErrorCodeRateLimitExceeded:
		return dcm.KindRateLimited, "Hetzner asked us to slow down"
	case hcloud.ErrorCodeInvalidInput, hcloud.ErrorCodeJSONError, hcloud.ErrorUnsupportedError:
		return dcm.KindInvalid, "Hetzner refused the request: " + detail(e)
	case hcloud.ErrorCodeProtected:
		return dcm.KindInvalid, "the server is protected against deletion at Hetzner; remove the protection there"
	case hcloud.ErrorCodeLocked, hcloud.ErrorCodeConflict, hcloud.ErrorCodeResourceLocked:
		return dcm.KindUnavailable, "Hetzner is busy with another change of it"
	case hcloud.ErrorCodeMaintenance:
		return dcm.KindUnavailable, "Hetzner is under maintenance"
	default:
		return dcm.KindUnavailable, "Hetzner failed: " + e.Message
	}
}

// createError is callError for a create, where the request itself decides what
// some codes mean.
func createError(op string, r dcm.ServerRequest, response *hcloud.Response, err error) error {
	var api hcloud.Error
	if errors.As(err, &api) && blamesImage(api) {
		return &dcm.ProviderError{
			Kind: dcm.KindImage, Op: op, Err: err,
			Message: fmt.Sprintf("Hetzner does not boot image %s on %s: %s", r.Image, r.ServerType, detail(api)),
		}
	}
	if errors.As(err, &api) && blamesOffer(api) {
		return &dcm.ProviderError{
			Kind: dcm.KindCapacity, Op: op, Err: err,
			Message: fmt.Sprintf("%s is not available at %s: %s", r.ServerType, r.Location, detail(api)),
		}
	}
	wrapped := callError(op, response, err)
	if e, ok := errors.AsType[*dcm.ProviderError](wrapped); ok {
		switch e.Kind {
		case dcm.KindNotFound:
			// What the request names does not exist; the server can't be meant.
			e.Kind, e.Message = dcm.KindInvalid, "Hetzner refused the request: "+api.Message
		case dcm.KindCapacity:
			e.Message = fmt.Sprintf("%s is not available at %s: %s", r.ServerType, r.Location, api.Message)
		}
	}
	return wrapped
}

// blamesImage reports whether the image is at fault: it is gone, deprecated, of
// another architecture, or, in Hetzner's words, "image disk is bigger than server
// type disk", which blames no offer.
func blamesImage(e hcloud.Error) bool {
	switch e.Code {
	case hcloud.ErrorCodeInvalidInput, hcloud.ErrorCodeNotFound, hcloud.ErrorUnsupportedError, hcloud.ErrorCodeInvalidServerType:
	default:
		return false
	}
	if d, ok := e.Details.(hcloud.ErrorDetailsInvalidInput); ok && len(d.Fields) > 0 {
		return !slices.ContainsFunc(d.Fields, func(f hcloud.ErrorDetailsInvalidInputField) bool { return f.Name != "image" })
	}
	return strings.Contains(strings.ToLower(e.Message), "image")
}

// blamesOffer reports whether the type or the location is at fault. Hetzner
// words even a plain lack of stock as "unsupported location for server type"
// with code invalid_input, and a type it no longer sells in several ways.
func blamesOffer(e hcloud.Error) bool {
	if e.Code != hcloud.ErrorCodeInvalidInput && e.Code != hcloud.ErrorCodeNotFound {
		return false
	}
	if d, ok := e.Details.(hcloud.ErrorDetailsInvalidInput); ok && len(d.Fields) > 0 {
		for _, f := range d.Fields {
			if f.Name != "server_type" && f.Name != "location" && f.Name != "datacenter" {
				return false
			}
		}
		return true
	}
	text := strings.ReplaceAll(strings.ToLower(e.Message), "_", " ")
	return strings.Contains(text, "server type") || strings.Contains(text, "location")
}

// detail is the API's message with what it says of each field.
func detail(e hcloud.Error) string {
	d, ok := e.Details.(hcloud.ErrorDetailsInvalidInput)
	if !ok || len(d.Fields) == 0 {
		return e.Message
	}
	var parts []string
	for _, f := range d.Fields {
		parts = append(parts, f.Name+": "+strings.Join(f.Messages, ", "))
	}
	return strings.Join(parts, "; ")
}

// incomplete is for an answer that says success and lacks what it must have.
func incomplete(op string) error {
	return &dcm.ProviderError{Kind: dcm.KindUnavailable, Op: op, Message: "Hetzner's answer was incomplete"}
}
