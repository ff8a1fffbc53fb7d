// Package localtest has what tests of a whole local stack share: a caller of its
// API, functions that break, and a place for logs.
package localtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

// Caller calls the API at URL, and the controls beside it.
type Caller struct {
	URL    string
	Client *http.Client
	// Token is the user's; "" sends none.
	Token string
}

// Do calls the API and returns status and body.
func (c Caller) Do(t *testing.T, method, path string, body any) (int, []byte) {
	t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(path, "/_local/") {
		r.Host = "localhost" // whoever comes by another name may not use the controls
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}

// Must calls the API, wants this status, and decodes the answer into v, if it is
// not nil.
func (c Caller) Must(t *testing.T, want int, method, path string, body, v any) {
	t.Helper()
	status, text := c.Do(t, method, path, body)
	if status != want {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s %s answers %s: %v", method, path, text, err)
	}
}

// Breaking has a function fail, before it has done anything, while broken says
// so; nil for never.
func Breaking(build local.Functions, broken func(function string) bool) local.Functions {
	if broken == nil {
		return build
	}
	return func(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
		h, err := build(name, getenv, clock, output)
		if err != nil {
			return nil, err
		}
		return breakable{h, func() bool { return broken(name) }}, nil
	}
}

type breakable struct {
	lambda.Handler
	broken func() bool
}

func (b breakable) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if b.broken() {
		return nil, errors.New("broken by the test")
	}
	return b.Handler.Invoke(ctx, payload)
}

// Log keeps what many write at once.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes some of it.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
