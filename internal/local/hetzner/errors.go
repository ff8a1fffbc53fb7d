package hetzner

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Codes this simulation answers by itself. WriteError writes any code.
const (
	codeNotFound      = "not_found"
	codeUnauthorized  = "unauthorized"
	codeForbidden     = "forbidden"
	codeRateLimited   = "rate_limit_exceeded"
	codeInvalidInput  = "invalid_input"
	codeJSON          = "json_error"
	codeUniqueness    = "uniqueness_error"
	codeLimitExceeded = "resource_limit_exceeded"
	codeUnavailable   = "resource_unavailable"
	codeGone          = "deprecated_api_endpoint"
)

// apiError is an error as the API answers it.
type apiError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
	Details any    `json:"details"`
}

func (e *apiError) Error() string { return e.Message + " (" + e.Code + ")" }

// answers maps each code to the status and text of the real API.
func answers() map[string]apiError {
	return map[string]apiError{
		codeNotFound:          {status: 404, Message: "resource not found"},
		codeUnauthorized:      {status: 401, Message: "unable to authenticate"},
		codeForbidden:         {status: 403, Message: "insufficient permissions for this request"},
		codeRateLimited:       {status: 429, Message: "limit of 3600 requests per hour reached"},
		codeInvalidInput:      {status: 422, Message: "invalid input"},
		codeJSON:              {status: 400, Message: "error while parsing JSON"},
		codeUniqueness:        {status: 409, Message: "server name is already used"},
		codeLimitExceeded:     {status: 403, Message: "server limit reached"},
		codeUnavailable:       {status: 412, Message: "error during placement"},
		codeGone:              {status: 410, Message: "this endpoint was removed"},
		"placement_error":     {status: 422, Message: "error during placement"},
		"invalid_server_type": {status: 422, Message: "server type is deprecated"},
		"token_readonly":      {status: 403, Message: "token is only allowed to perform GET requests"},
		"protected":           {status: 403, Message: "server deletion is protected"},
		"locked":              {status: 423, Message: "server is locked"},
		"conflict":            {status: 409, Message: "the resource has changed during the request, please retry"},
		"unsupported_error":   {status: 400, Message: "the given resource does not support this"},
		"resource_locked":     {status: 423, Message: "the resource is locked, contact support"},
		"unknown_error":       {status: 500, Message: "an unknown error occurred"},
		"server_error":        {status: 500, Message: "internal server error"},
		"service_error":       {status: 500, Message: "error within a service"},
		"maintenance":         {status: 503, Message: "cannot perform operation due to maintenance"},
		"unavailable":         {status: 503, Message: "the service is unavailable"},
		"bad_gateway":         {status: 502, Message: "bad gateway"},
		"timeout":             {status: 504, Message: "the request could not be answered in time"},
		"method_not_allowed":  {status: 405, Message: "method not allowed"},
		"robot_unavailable":   {status: 503, Message: "robot is unavailable"},
	}
}

func errorOf(code string) *apiError {
	e, ok := answers()[code]
	if !ok {
		e = apiError{status: 500, Message: strings.ReplaceAll(code, "_", " ")}
	}
	e.Code = code
	return &e
}

// invalidField is a validation error that names its field.
func invalidField(field, format string, args ...any) *apiError {
	e := errorOf(codeInvalidInput)
	e.Message = fmt.Sprintf("invalid input in field '%s'", field)
	e.Details = map[string]any{"fields": []any{
		map[string]any{"name": field, "messages": []string{fmt.Sprintf(format, args...)}},
	}}
	return e
}

// WriteError answers with an error in the API's format, as if the API had
// failed with this code. A code may carry a message of its own after a colon:
// "invalid_input:unsupported location for server type".
func WriteError(w http.ResponseWriter, _ *http.Request, code string) {
	code, message, own := strings.Cut(code, ":")
	e := errorOf(code)
	if own {
		e.Message = message
	}
	if code == codeRateLimited {
		now := time.Now()
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		rateHeaders(w.Header(), 3600, 0, now.Add(time.Hour))
	}
	writeError(w, e)
}

func writeError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = errorOf("server_error")
	}
	writeJSON(w, e.status, map[string]any{"error": e})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Correlation-Id", "5ca1ab1e5ca1ab1e")
	w.WriteHeader(status)
	// A client that has gone away gets no answer; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
