// Package lambdaruntime stands in for the Lambda Runtime API, so that a
// function's real bootstrap binary, built as for deployment, runs and answers
// events on this machine.
package lambdaruntime

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const prefix = "/2018-06-01/runtime/"

// invocation is one event on its way through the binary.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	outcome  chan outcome
}

// outcome is what the binary made of an event.
type outcome struct {
	body []byte
	err  error
}

// FunctionError is a failure that the function reported itself: the handler
// returned an error, panicked, or could not start.
type FunctionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error renders the type and the message.
func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// runtimeAPI serves one binary: next hands out an event, response and error
// take its outcome.
type runtimeAPI struct {
	functionARN string
	events      chan *invocation
	// started is closed when the binary asks for its first event.
	started chan struct{}
	// initFailed carries what the binary said when it could not start.
	initFailed chan error
	stop       chan struct{}
	pending    pending
}

// ServeHTTP answers the four calls of the Runtime API.
func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok {
		http.NotFound(w, r)
		return
	}
	switch {
	case path == "invocation/next" && r.Method == http.MethodGet:
		a.next(w, r)
	case path == "init/error" && r.Method == http.MethodPost:
		a.initError(w, r)
	case r.Method == http.MethodPost && strings.HasPrefix(path, "invocation/"):
		a.finish(w, r, strings.Split(strings.TrimPrefix(path, "invocation/"), "/"))
	default:
		http.NotFound(w, r)
	}
}

// next waits for an event, as long as the binary lives.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	a.pending.once(func() { close(a.started) })
	select {
	case i := <-a.events:
		a.pending.add(i)
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", a.functionARN)
		w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(i.event)
	case <-a.stop:
		http.Error(w, "stopped", http.StatusGone)
	case <-r.Context().Done():
	}
}

func (a *runtimeAPI) finish(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) != 2 {
		http.NotFound(w, r)
		return
	}
	i := a.pending.take(path[0])
	if i == nil {
		http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		err = fmt.Errorf("read the function's answer: %w", err)
	case path[1] == "error":
		err = functionError(body)
	}
	i.outcome <- outcome{body: body, err: err}
	w.WriteHeader(http.StatusAccepted)
}

func (a *runtimeAPI) initError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	select {
	case a.initFailed <- functionError(body):
	default:
	}
	w.WriteHeader(http.StatusAccepted)
}

func functionError(body []byte) error {
	var e FunctionError
	if err := json.Unmarshal(body, &e); err != nil || e.Type == "" {
		return &FunctionError{Type: "Unreadable", Message: string(body)}
	}
	return &e
}
