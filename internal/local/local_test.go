package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/localtest"
)

// echo is a function that answers with what it was built and called with, and
// counts its calls.
type echo struct {
	mu    sync.Mutex
	calls map[string]int
}

type echoed struct {
	Function string
	Claims   map[string]string
	Table    string
	Endpoint string
	Beat     string
	Now      time.Time
}

func (e *echo) build(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
	fmt.Fprintf(output, "built %s\n", name)
	return lambda.NewHandler(func(_ context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		e.mu.Lock()
		e.calls[name]++
		e.mu.Unlock()
		answer := echoed{
			Function: name, Table: getenv("TABLE_NAME"), Endpoint: getenv("AWS_ENDPOINT_URL_DYNAMODB"),
			Beat: getenv("HEARTBEAT_SECONDS"), Now: clock.Now(),
		}
		if a := r.RequestContext.Authorizer; a != nil {
			answer.Claims = a.JWT.Claims
		}
		b, err := json.Marshal(answer)
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: string(b)}, err
	}), nil
}

func (e *echo) count(name string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[name]
}

type stack struct {
	*local.Stack
	t      *testing.T
	echo   *echo
	client *http.Client
}

func mustStart(t *testing.T, change ...func(*local.Options)) *stack {
	t.Helper()
	agent := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := &echo{calls: map[string]int{}}
	o := local.Options{
		Template: "../../template.yaml", Functions: e.build, AgentBinary: agent, Dir: t.TempDir(), FunctionOutput: io.Discard,
	}
	for _, c := range change {
		c(&o)
	}
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Dir); err == nil {
			t.Errorf("%s is left", s.Dir)
		}
	})
	return &stack{s, t, e, &http.Client{Transport: &http.Transport{}}}
}

// call sends a JSON body and decodes the answer into v, if it is not nil.
func (s *stack) call(method, path, token string, body, v any) int {
	s.t.Helper()
	status, text := localtest.Caller{URL: s.URL, Client: s.client, Token: token}.Do(s.t, method, path, body)
	if v != nil && status < 300 {
		if err := json.Unmarshal(text, v); err != nil {
			s.t.Fatalf("%s %s answers %s: %v", method, path, text, err)
		}
	}
	return status
}

func (s *stack) mustMint(body any) string {
	s.t.Helper()
	var answer struct{ Token string }
	if status := s.call("POST", "/_local/token", "", body, &answer); status != http.StatusOK {
		s.t.Fatalf("a token: status %d", status)
	}
	return answer.Token
}

func TestTokensOpenTheAPI(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	if status := s.call("GET", "/vms", "", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	for _, c := range []struct {
		body                     any
		tenant, user, permission string
	}{
		{nil, "default", "local", "[*]"},
		{map[string]any{}, "default", "local", "[*]"},
		{map[string]any{"tenant": "acme", "user": "u", "permissions": []string{"vms:read", "vms:write"}}, "acme", "u", "[vms:read vms:write]"},
		{map[string]any{"permissions": []string{}}, "default", "local", "[]"},
	} {
		var got echoed
		if status := s.call("GET", "/vms", s.mustMint(c.body), nil, &got); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		if got.Function != "vms-list" || got.Claims["tenant_id"] != c.tenant || got.Claims["sub"] != c.user || got.Claims["permissions"] != c.permission {
			t.Errorf("%v: %+v", c.body, got)
		}
		if got.Table == "" || !strings.HasPrefix(got.Endpoint, "http://127.0.0.1:") || got.Beat != "2" {
			t.Errorf("environment: %+v", got)
		}
	}
}

func TestAClockThatWasAdvanced(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	token := s.mustMint(nil)
	if status := s.call("POST", "/_local/clock", "", map[string]string{"advance": "40m"}, nil); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	var got echoed
	s.call("GET", "/vms", token, nil, &got)
	if ahead := time.Until(got.Now); ahead < 39*time.Minute || ahead > 41*time.Minute {
		t.Errorf("functions are %s ahead", ahead)
	}
	if b, err := os.ReadFile(s.Dir + "/clock"); err != nil || strings.TrimSpace(string(b)) != "40m0s" {
		t.Errorf("agents read %q, %v", b, err)
	}
	for _, bad := range []string{"", "soon", "-1m"} {
		if status := s.call("POST", "/_local/clock", "", map[string]string{"advance": bad}, nil); status != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, status)
		}
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	t.Run("run when asked", func(t *testing.T) {
		var answer struct{ Function string }
		if status := s.call("POST", "/_local/schedules/sweep-vms", "", nil, &answer); status != http.StatusOK || answer.Function != "sweep-vms" {
			t.Errorf("%d %v", status, answer)
		}
		if s.echo.count("sweep-vms") != 1 {
			t.Error("it did not run")
		}
		if status := s.call("POST", "/_local/schedules/vms-create", "", nil, nil); status != http.StatusNotFound {
			t.Errorf("a function without a schedule: %d", status)
		}
	})
	t.Run("run by the advancing clock", func(t *testing.T) {
		if err := s.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); s.echo.count("sweep-vms") < 2; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it never ran")
			}
		}
	})
}

func TestState(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	var state map[string]json.RawMessage
	s.call("GET", "/_local/state", "", nil, &state)
	for key, want := range map[string]string{
		"servers": "[]", "dnsRecords": "[]", "uploads": "[]",
		"calls": `{"cloudflare":{},"dynamodb":{},"hetzner":{},"kms":{},"s3":{},"ssm":{}}`,
	} {
		if got := string(state[key]); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
	var objects []local.ObjectState
	if err := json.Unmarshal(state["objects"], &objects); err != nil || len(objects) != 1 || !strings.HasPrefix(objects[0].Key, "agent/") {
		t.Errorf("objects are %s", state["objects"])
	}
}

func TestFaultsAreCheckedAndCleared(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	for body, want := range map[string]int{
		`{"service":"s3","operation":"PutObject","mode":"error","code":"SlowDown","after":1,"count":2}`: http.StatusNoContent,
		`{"service":"bank","mode":"error"}`:           http.StatusBadRequest,
		`{"service":"s3","mode":"slow"}`:              http.StatusBadRequest,
		`{"service":"s3","mode":"error","oops":true}`: http.StatusBadRequest,
	} {
		if status := s.call("POST", "/_local/faults", "", json.RawMessage(body), nil); status != want {
			t.Errorf("%s: %d", body, status)
		}
	}
	if status := s.call("DELETE", "/_local/faults", "", nil, nil); status != http.StatusNoContent {
		t.Errorf("clearing: %d", status)
	}
}

// TestAFaultThatCannotHappenIsRefused: a misspelt one would test nothing. Each
// stand-in knows what it can be asked, whatever its real service can be.
func TestAFaultThatCannotHappenIsRefused(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	for service, operation := range map[string]string{
		"dynamodb": "TransactWriteItems", "kms": "Sign", "ssm": "PutParameter",
		"s3": "AbortMultipartUpload", "hetzner": "CreateServer", "cloudflare": "BatchRecords",
	} {
		for name, want := range map[string]int{operation: http.StatusNoContent, operation + "s": http.StatusBadRequest} {
			status, text := localtest.Caller{URL: s.URL, Client: s.client}.Do(t, "POST", "/_local/faults",
				map[string]string{"service": service, "operation": name, "mode": "error"})
			if status != want || (want == http.StatusBadRequest) != strings.Contains(string(text), `"operation: `) {
				t.Errorf("%s of %s: %d %s", name, service, status, text)
			}
		}
	}
}

func TestNoTokenForWhatCanBeNoTenant(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	for tenant, want := range map[string]int{"acme": http.StatusOK, "Acme": http.StatusBadRequest, "a.b": http.StatusBadRequest, "": http.StatusBadRequest} {
		if status := s.call("POST", "/_local/token", "", map[string]string{"tenant": tenant}, nil); status != want {
			t.Errorf("%q: %d", tenant, status)
		}
	}
}

func TestControlsAnswerToLocalhostOnly(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/_local/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example.com"
	answer, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestSampleRepository(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	clone := t.TempDir() + "/clone"
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", s.SampleRepository, clone).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(clone + "/server.sh")
	if err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("server.sh: %v, %v", info, err)
	}
	if to, err := os.Readlink(clone + "/index.html"); err != nil || to != "public/index.html" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for _, path := range []string{"README.md", "notes/2026/november/first.txt", ".devcontainer/devcontainer.json"} {
		if _, err := os.Stat(filepath.Join(clone, path)); err != nil {
			t.Error(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", clone+"/server.sh").CombinedOutput(); err != nil {
		t.Errorf("server.sh: %s", out)
	}
}

func TestBanner(t *testing.T) {
	t.Parallel()
	s := mustStart(t)
	var b strings.Builder
	if err := s.Banner(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{s.URL, s.SampleRepository, "export TOKEN=ey", fmt.Sprint(s.EdgePort)} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the banner lacks %s", want)
		}
	}
	if n := strings.Count(b.String(), "\ncurl "); n != 3 {
		t.Errorf("%d commands", n)
	}
	if strings.Contains(b.String(), "%!") {
		t.Error("the banner is wrongly formatted")
	}
}

// TestBannerOfSelfSigned: whoever asked for TLS is told what the certificates are.
func TestBannerOfSelfSigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tls  *local.TLS
		told bool
	}{{nil, false}, {&local.TLS{}, true}, {&local.TLS{Directories: []string{"https://acme.example/directory"}}, false}} {
		s := mustStart(t, func(o *local.Options) { o.TLS = c.tls })
		var b strings.Builder
		if err := s.Banner(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "curl wants -k") != c.told || strings.Contains(b.String(), "%!") {
			t.Errorf("with %+v: %s", c.tls, b.String())
		}
	}
}

func TestAStackThatCannotStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := local.Start(t.Context(), local.Options{
		Template: "../../template.yaml", Functions: (&echo{calls: map[string]int{}}).build, AgentBinary: "/does/not/exist", Dir: dir,
	})
	if err == nil {
		t.Fatal("it started")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
