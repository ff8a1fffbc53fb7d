package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options are what every endpoint of an installation shares.
type Options struct {
	Identity Identity
	// Tokens verifies VM tokens; nil for endpoints that take none.
	Tokens dcm.Tokens
	Log    *slog.Logger
	// Audit keeps the tenants' logs; nil for endpoints that change nothing.
	Audit *Audit
	// APIURL overrides the URL under which the API was reached, for an API
	// behind a domain of its own.
	APIURL string
}

// Handler is a Lambda handler for API Gateway's HTTP API, payload 2.0.
type Handler func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// New makes an endpoint's Lambda handler. It never returns an error: whatever
// happens is answered as problem+json and told in one log line.
func New(e Endpoint, o Options) Handler {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		started := time.Now()
		requestID := event.RequestContext.RequestID
		r, response, err := serve(ctx, e, o, event)
		o.Audit.record(ctx, e, r, response, err)
		if err == nil {
			var out events.APIGatewayV2HTTPResponse
			if out, err = encode(response, requestID); err == nil {
				logRequest(ctx, o.Log, e, event, r, out.StatusCode, started, nil)
				return out, nil
			}
		}
		problem := ProblemOf(err, requestID)
		logRequest(ctx, o.Log, e, event, r, problem.Status, started, err)
		return problemResponse(problem, retryAfter(err)), nil
	}
}

func serve(ctx context.Context, e Endpoint, o Options, event events.APIGatewayV2HTTPRequest) (r *Request, response Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	r = request(o, event)
	if err = authorise(ctx, e, o, event, r); err != nil {
		return r, Response{}, err
	}
	if err = r.read(event); err != nil {
		return r, Response{}, err
	}
	response, err = e.Handle(ctx, r)
	return r, response, err
}

// request unpacks what tells who is calling, and for what.
func request(o Options, event events.APIGatewayV2HTTPRequest) *Request {
	r := &Request{
		Path:      event.PathParameters,
		Headers:   http.Header{},
		RequestID: event.RequestContext.RequestID,
		SourceIP:  event.RequestContext.HTTP.SourceIP,
		APIURL:    strings.TrimSuffix(o.APIURL, "/"),
	}
	for name, value := range event.Headers {
		r.Headers.Set(name, value)
	}
	if r.APIURL == "" {
		r.APIURL = "https://" + event.RequestContext.DomainName
		if s := event.RequestContext.Stage; s != "" && s != "$default" {
			r.APIURL += "/" + s
		}
	}
	return r
}

// read unpacks what the caller says. It comes after the caller is known, so
// that what is wrong with it is told only to those who may call at all.
func (r *Request) read(event events.APIGatewayV2HTTPRequest) (err error) {
	if r.Query, err = url.ParseQuery(event.RawQueryString); err != nil {
		return dcm.InvalidFields(dcm.FieldError{Field: "query", Message: "is not a valid query string"})
	}
	r.Body = []byte(event.Body)
	if event.IsBase64Encoded {
		if r.Body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			return errNotObject
		}
	}
	if len(r.Body) > dcm.MaxBodyBytes {
		return dcm.InvalidFields(dcm.FieldError{Field: "body", Message: "must be at most 64 KiB"})
	}
	return nil
}

// authorise finds out who is calling and whether they may.
func authorise(ctx context.Context, e Endpoint, o Options, event events.APIGatewayV2HTTPRequest, r *Request) error {
	switch {
	case e.Public:
		return nil
	case e.Audience != "":
		return authoriseVM(ctx, e, o, r)
	}
	var claims map[string]string
	if a := event.RequestContext.Authorizer; a != nil && a.JWT != nil {
		claims = a.JWT.Claims
	}
	p, err := o.Identity.Principal(claims)
	if err != nil {
		return err
	}
	r.Principal = p
	if !p.May(e.Permission) {
		return dcm.Errorf(dcm.CodeForbidden, "this needs the permission %s", e.Permission)
	}
	return nil
}

// authoriseVM lets a VM speak for itself only: the token must be of the VM in
// the path. Another VM's token answers exactly as a forged one.
func authoriseVM(ctx context.Context, e Endpoint, o Options, r *Request) error {
	scheme, token, _ := strings.Cut(r.Headers.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return errBadToken
	}
	claims, err := o.Tokens.Verify(ctx, dcm.NewSecret(strings.TrimSpace(token)), e.Audience)
	if dcm.ErrorCode(err) == dcm.CodeUnauthenticated {
		return errBadToken.WithCause(err)
	}
	if err != nil {
		return fmt.Errorf("verify the VM's token: %w", err)
	}
	if string(claims.VM) != r.Path["id"] {
		return errBadToken.WithCause(errors.New("the token is another VM's"))
	}
	r.VM = claims
	r.Principal = dcm.Principal{Tenant: claims.Tenant}
	return nil
}

var errBadToken = dcm.Errorf(dcm.CodeUnauthenticated, "the token is missing, not valid, expired, or not for this")

func encode(r Response, requestID string) (events.APIGatewayV2HTTPResponse, error) {
	content, ready := r.Body.(Content)
	if !ready {
		body, err := json.Marshal(r.Body)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{}, fmt.Errorf("encode the answer: %w", err)
		}
		content = Content{Type: "application/json", Text: string(body)}
	}
	headers := standardHeaders(content.Type, requestID)
	for name, value := range r.Headers {
		headers[name] = value
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: r.Status, Headers: headers, Body: content.Text}, nil
}

func problemResponse(p Problem, retryAfter string) events.APIGatewayV2HTTPResponse {
	body, _ := json.Marshal(p) // strings and integers always marshal
	headers := standardHeaders("application/problem+json", p.RequestID)
	if retryAfter != "" {
		headers["retry-after"] = retryAfter
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: p.Status, Headers: headers, Body: string(body)}
}

func standardHeaders(contentType, requestID string) map[string]string {
	return map[string]string{
		"content-type":           contentType,
		"cache-control":          "no-store",
		"x-content-type-options": "nosniff",
		"x-request-id":           requestID,
	}
}

// logRequest writes the one line of a request. It holds the error's whole
// chain, and neither a body nor a header.
func logRequest(ctx context.Context, log *slog.Logger, e Endpoint, event events.APIGatewayV2HTTPRequest, r *Request, status int, started time.Time, err error) {
	attrs := []slog.Attr{
		slog.String("function", e.Name),
		slog.String("requestId", event.RequestContext.RequestID),
		slog.String("method", event.RequestContext.HTTP.Method),
		slog.String("path", event.RawPath),
		slog.Int("status", status),
		slog.Int64("ms", time.Since(started).Milliseconds()),
	}
	if r != nil {
		attrs = append(attrs, slog.String("tenant", string(r.Principal.Tenant)), slog.String("user", string(r.Principal.User)), slog.String("vm", string(r.VM.VM)))
	}
	level := slog.LevelInfo
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
		level = slog.LevelWarn
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}
