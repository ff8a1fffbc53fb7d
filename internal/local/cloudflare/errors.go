package cloudflare

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Cloudflare's codes, as far as they are answered here.
const (
	codeThrottled      = 971
	codeValidation     = 1004
	codeBadHeaders     = 6003
	codeNoRoute        = 7000
	codeNoZone         = 7003
	codeBadContent     = 9005
	codeBadTTL         = 9021
	codeBadToken       = 9109
	codeBadJSON        = 9207
	codeAuthentication = 10000
	codeNoRecord       = 81044
	codeQuota          = 81045
	codeHostTaken      = 81053
	codeExists         = 81057
	codeIdentical      = 81058
)

// apiError is one failure, as the API's envelope carries it.
type apiError struct {
	status  int
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Chain   []*apiError `json:"error_chain,omitempty"`
}

func (e *apiError) Error() string { return strconv.Itoa(e.Code) + " " + e.Message }

func answers() map[int]apiError {
	return map[int]apiError{
		codeThrottled:      {status: 429, Message: "Please wait and consider throttling your request speed"},
		codeValidation:     {status: 400, Message: "DNS Validation Error"},
		codeBadHeaders:     {status: 400, Message: "Invalid request headers", Chain: []*apiError{{Code: 6111, Message: "Invalid format for Authorization header"}}},
		codeNoRoute:        {status: 400, Message: "No route for that URI"},
		codeNoZone:         {status: 404, Message: "Could not route to the zone, perhaps your object identifier is invalid?"},
		codeBadContent:     {status: 400, Message: "Content for the record is invalid."},
		codeBadTTL:         {status: 400, Message: "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."},
		codeBadToken:       {status: 403, Message: "Invalid access token"},
		codeBadJSON:        {status: 400, Message: "Request body is invalid."},
		codeAuthentication: {status: 403, Message: "Authentication error"},
		codeNoRecord:       {status: 404, Message: "Record does not exist."},
		codeQuota:          {status: 400, Message: "Record quota exceeded."},
		codeHostTaken:      {status: 400, Message: "An A, AAAA, or CNAME record with that host already exists."},
		codeExists:         {status: 400, Message: "The record already exists."},
		codeIdentical:      {status: 400, Message: "An identical record already exists."},
	}
}

func errorOf(code int) *apiError {
	e, ok := answers()[code]
	if !ok {
		e = apiError{status: 400, Message: "Error " + strconv.Itoa(code)}
	}
	e.Code = code
	return &e
}

// invalid is a validation error whose cause is in the chain.
func invalid(code int, message string) *apiError {
	e := errorOf(codeValidation)
	e.Chain = []*apiError{{Code: code, Message: message}}
	return e
}

// WriteError answers with an error in the API's format, as if the API had
// failed with this code: one of Cloudflare's ("81045"), or an HTTP status
// ("429", "503"). Anything else is a 500.
func WriteError(w http.ResponseWriter, _ *http.Request, code string) {
	number, err := strconv.Atoi(code)
	if err != nil {
		number = http.StatusInternalServerError
	}
	var e *apiError
	switch {
	case number == http.StatusTooManyRequests || number == codeThrottled:
		w.Header().Set("Retry-After", "7")
		e = errorOf(codeThrottled)
	case number >= 400 && number < 600:
		e = &apiError{status: number, Code: codeAuthentication, Message: http.StatusText(number)}
		if number >= 500 {
			e.Code = 1000
		}
	default:
		e = errorOf(number)
	}
	writeError(w, e)
}

func writeError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = &apiError{status: 500, Code: 1000, Message: "Internal error"}
	}
	write(w, e.status, map[string]any{"success": false, "errors": []any{e}, "messages": []any{}, "result": nil})
}

func writeResult(w http.ResponseWriter, result, info any) {
	body := map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": result}
	if info != nil {
		body["result_info"] = info
	}
	write(w, http.StatusOK, body)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone away gets no answer; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
