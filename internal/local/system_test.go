package local_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/localtest"
)

// patience is how long anything may take before a test gives it up.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := agentDirectory.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
	os.Exit(code)
}

var agentDirectory atomic.Pointer[string]

// agentBinary builds the agent once for all tests.
var agentBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dcm-agent-")
	if err != nil {
		return "", err
	}
	agentDirectory.Store(&dir)
	path := filepath.Join(dir, "dcm-agent")
	cmd := exec.Command("go", "build", "-o", path, "../../cloudinit/agent")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return path, nil
})

// system is the real thing: a stack with the real functions and agent.
type system struct {
	*local.Stack
	t      *testing.T
	client *http.Client
	token  string
	output *localtest.Log      // the functions' log
	getenv func(string) string // of some function
}

type systemOptions struct {
	environment map[string]string
	heartbeat   time.Duration
	agent       string // "" for the real one
	tls         *local.TLS
	// broken says that a function fails now, before it has done anything.
	broken func(function string) bool
}

func mustStartSystem(t *testing.T, o systemOptions) *system {
	t.Helper()
	if o.agent == "" {
		agent, err := agentBinary()
		if err != nil {
			t.Fatal(err)
		}
		o.agent = agent
	}
	if o.heartbeat == 0 {
		o.heartbeat = time.Second
	}
	output := &localtest.Log{}
	s := &system{t: t, output: output}
	functions := localtest.Breaking(registry.Function, o.broken)
	stack, err := local.Start(t.Context(), local.Options{
		Template: "../../template.yaml", AgentBinary: o.agent, Dir: t.TempDir(), HeartbeatInterval: o.heartbeat,
		Environment: o.environment, TLS: o.tls, FunctionOutput: output,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Functions: func(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
			s.getenv = getenv
			return functions(name, getenv, clock, output)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Stack = stack
	t.Cleanup(func() {
		if t.Failed() {
			s.dumpLogs()
			for line := range strings.Lines(output.String()) {
				if !strings.Contains(line, `"function":"vms-get"`) {
					t.Log(strings.TrimSpace(line))
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.client = &http.Client{Transport: &http.Transport{}}
	var answer struct{ Token string }
	s.must(http.StatusOK, "POST", "/_local/token", map[string]any{"tenant": "default", "user": "u", "permissions": []string{"*"}}, &answer)
	s.token = answer.Token
	return s
}

func (s *system) dumpLogs() {
	for _, server := range s.State().Servers {
		s.t.Logf("server: %+v", server)
	}
	if out, err := exec.Command("ps", "-eo", "pid,ppid,stat,wchan:20,etime,args").Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "dcm-agent") {
				s.t.Log(strings.TrimSpace(line))
			}
		}
	}
	logs, _ := filepath.Glob(s.Dir + "/servers/*/agent.log")
	for _, path := range logs {
		b, _ := os.ReadFile(path)
		s.t.Logf("%s:\n%s", path, b)
	}
}

// caller is the user.
func (s *system) caller() localtest.Caller {
	return localtest.Caller{URL: s.URL, Client: s.client, Token: s.token}
}

// must calls the API as the user and decodes the answer into v.
func (s *system) must(want int, method, path string, body, v any) {
	s.t.Helper()
	s.caller().Must(s.t, want, method, path, body, v)
}

// vm is what the API shows, as far as the tests read it.
type vm struct {
	ID, WorkspaceID, ProviderID, Status, Phase, StopReason, Hostname, TerminalPassword string

	URLs  struct{ UI, Port string }
	Error *dcm.Problem
	Idle  struct {
		IdleSince *time.Time
		Signals   dcm.Signals
	}
	Generation int64
}

func (s *system) mustLaunch(fields map[string]any) vm {
	s.t.Helper()
	body := map[string]any{"name": "a test", "size": "small"}
	if fields["workspaceId"] == nil {
		body["repoUrl"] = s.SampleRepository
	}
	for k, v := range fields {
		body[k] = v
	}
	var v vm
	s.must(http.StatusCreated, "POST", "/vms", body, &v)
	return v
}

func (s *system) get(id string) vm {
	s.t.Helper()
	var v vm
	s.must(http.StatusOK, "GET", "/vms/"+id, nil, &v)
	return v
}

// until reads a VM until the condition holds, and returns it.
func (s *system) until(id, what string, holds func(vm) bool) vm {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		v := s.get(id)
		if holds(v) {
			return v
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s never became %s; it is %+v", id, what, v)
		}
	}
}

func (s *system) untilStatus(id, status string) vm {
	s.t.Helper()
	return s.until(id, status, func(v vm) bool { return v.Status == status })
}

// directory is where a VM's workspace lies.
func (s *system) directory(v vm) string {
	s.t.Helper()
	var state local.State
	s.must(http.StatusOK, "GET", "/_local/state", nil, &state)
	for _, server := range state.Servers {
		if server.Labels[dcm.LabelVM] == v.ID {
			return server.WorkspaceDir
		}
	}
	s.t.Fatalf("%s has no server", v.ID)
	return ""
}

// requireNothingLeft looks for what a VM that has ended must not leave.
func (s *system) requireNothingLeft() {
	s.t.Helper()
	state := s.State()
	if len(state.Servers)+len(state.DNSRecords)+len(state.Uploads) != 0 {
		s.t.Errorf("left: servers %v, records %v, uploads %v", state.Servers, state.DNSRecords, state.Uploads)
	}
	left, err := os.ReadDir(s.Dir + "/servers")
	if err != nil || len(left) != 0 {
		s.t.Errorf("left on disk: %v, %v", left, err)
	}
}

// object reads an object of the bucket.
func (s *system) object(key string) []byte {
	s.t.Helper()
	client := s3.New(s3.Options{
		Region: s.getenv("AWS_REGION"), BaseEndpoint: aws.String(s.getenv("AWS_ENDPOINT_URL_S3")), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: s.getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})
	out, err := client.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: aws.String(s.getenv("BUCKET_NAME")), Key: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// visit makes a request to a VM, as a tool that knows its password.
func (s *system) visit(v vm, label, path, password string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.EdgePort, path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = fmt.Sprintf("%s.%s:%d", label, v.Hostname, s.EdgePort)
	if password != "" {
		r.SetBasicAuth("user", password)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}
