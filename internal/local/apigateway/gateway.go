// Package apigateway is the front of the local stack: an API Gateway HTTP API
// with its routes, JWT authorizers and payload format 2.0, in front of Lambda
// handlers that run in this process.
//
// What a handler sees and what a client sees is what AWS would show them:
// events byte for byte in its format, its own 401, 404, 413 and 5xx answers.
// Throttling is left out.
package apigateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

const (
	// maxPayload is what an HTTP API accepts.
	maxPayload = 10 << 20
	// maxIntegration is how long an HTTP API waits for a function.
	maxIntegration = 30 * time.Second
	// MaxHeaderBytes is the limit on a request's headers, for http.Server.
	MaxHeaderBytes = 10240
)

// Function is a Lambda function behind the API.
type Function struct {
	Handler lambda.Handler
	Timeout time.Duration
}

// Options set up a gateway.
type Options struct {
	Clock  dcm.Clock
	Routes []sam.Route
	// Functions are keyed by sam.Function.Name. A route of a function that is
	// not here answers 500, as one whose function was deleted.
	Functions map[string]Function
	// Client fetches the authorizers' key sets; nil for a default one.
	Client *http.Client
	Logger *slog.Logger
	// Observe, if set, hears of every function's answer.
	Observe func(Observation)
}

// Observation is one answered call. At is when it arrived.
type Observation struct {
	Function   string
	At         time.Time
	Path       map[string]string
	StatusCode int
}

// Gateway serves the API.
type Gateway struct {
	options Options
	routes  []route
	keys    *keySets
	logger  *slog.Logger
}

// New returns a gateway. It makes no call: key sets are fetched when a token
// first needs them.
func New(o Options) (*Gateway, error) {
	g := &Gateway{options: o, keys: newKeySets(o.Client), logger: o.Logger}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	for _, r := range o.Routes {
		parsed, err := parseRoute(r)
		if err != nil {
			return nil, err
		}
		g.routes = append(g.routes, parsed)
	}
	return g, nil
}

// ServeHTTP answers a request as the HTTP API would.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{Request: r, at: g.options.Clock.Now(), id: requestID()}
	w.Header().Set("Apigw-Requestid", c.id)
	w.Header().Set("Date", c.at.UTC().Format(http.TimeFormat))
	route, parameters, ok := match(g.routes, r.Method, r.URL.EscapedPath())
	if !ok {
		writeMessage(w, http.StatusNotFound, "Not Found")
		return
	}
	c.route, c.parameters = route, parameters
	if !g.authorize(w, &c) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
			writeMessage(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		writeMessage(w, http.StatusBadRequest, "Bad Request")
		return
	}
	c.body = body
	status := g.invoke(w, c)
	if g.options.Observe != nil {
		g.options.Observe(Observation{Function: c.route.Function, At: c.at, Path: c.parameters, StatusCode: status})
	}
}

// authorize verifies the caller's token if the route asks for one. It answers
// the request itself when it returns false.
func (g *Gateway) authorize(w http.ResponseWriter, c *call) bool {
	if c.route.Authorizer == nil {
		return true
	}
	claims, err := g.verify(c.Context(), c.route.Authorizer, c.Header.Get("Authorization"))
	if err == nil {
		c.claims = claims
		return true
	}
	g.logger.Info("the authorizer refused a token", "route", c.route.Key(), "error", err)
	w.Header().Set("Www-Authenticate", challenge(err))
	writeMessage(w, http.StatusUnauthorized, "Unauthorized")
	return false
}

// invoke runs the function and writes its answer, whose status it returns.
func (g *Gateway) invoke(w http.ResponseWriter, c call) int {
	// A client that hangs up does not stop a function on AWS either.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), maxIntegration)
	defer cancel()
	payload, err := c.event()
	if err != nil {
		g.logger.Error("an event could not be made", "route", c.route.Key(), "error", err)
		return writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
	}
	answer, err := g.Invoke(ctx, c.route.Function, payload)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return writeMessage(w, http.StatusServiceUnavailable, "Service Unavailable")
	case err != nil:
		g.logger.Error("a function failed", "function", c.route.Function, "requestId", c.id, "error", err)
		return writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
	}
	status, err := writeAnswer(w, answer)
	if err != nil {
		g.logger.Error("a function answered what is no response", "function", c.route.Function, "error", err)
		return writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
	}
	return status
}

// Invoke runs a function with an event, as the Lambda service does: within its
// timeout, and with a panic as an error.
func (g *Gateway) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	f, ok := g.options.Functions[name]
	if !ok {
		return nil, fmt.Errorf("there is no function %q", name)
	}
	return f.run(ctx, name, event)
}
