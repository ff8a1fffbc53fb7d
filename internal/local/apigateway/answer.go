package apigateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
)

// writeAnswer sends a function's answer on and returns its status. On an
// error nothing was sent. An answer without a statusCode is, as in format 2.0,
// the body itself.
func writeAnswer(w http.ResponseWriter, answer []byte) (int, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(answer, &fields); err != nil || fields["statusCode"] == nil {
		if !json.Valid(answer) {
			return 0, fmt.Errorf("decode the answer: %w", err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(answer) // a client that left gets no answer
		return http.StatusOK, nil
	}
	var r events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &r); err != nil {
		return 0, fmt.Errorf("decode the answer: %w", err)
	}
	if r.StatusCode < 200 || r.StatusCode > 599 {
		return 0, fmt.Errorf("status %d", r.StatusCode)
	}
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return 0, fmt.Errorf("decode the answer's body: %w", err)
		}
		body = decoded
	}
	writeHeaders(w.Header(), r)
	w.WriteHeader(r.StatusCode)
	_, _ = w.Write(body) // a client that left gets no answer
	return r.StatusCode, nil
}

func writeHeaders(h http.Header, r events.APIGatewayV2HTTPResponse) {
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	for name, values := range r.MultiValueHeaders {
		h[http.CanonicalHeaderKey(name)] = values
	}
	for _, cookie := range r.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
}

// writeMessage answers as API Gateway does by itself.
func writeMessage(w http.ResponseWriter, status int, message string) int {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message}) // a client that left gets no answer
	return status
}
