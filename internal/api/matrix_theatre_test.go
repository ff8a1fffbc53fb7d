package api_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

// theatre is a world whose functions can be killed, and serves many cases one
// after the other, each with a tenant of its own.
type theatre struct {
	*world
	pools map[string]*pool
	// over is closed when nothing more is to happen.
	over  chan struct{}
	twins sync.WaitGroup
	// cases counts what was played here.
	cases int
	close func()
}

// casesPerTheatre is after how many cases the next ones begin from nothing:
// sweeps look again and again at what tenants brought along.
const casesPerTheatre = 25

// stages lend theatres to cases, one at a time. They all end with t.
type stages struct {
	t *testing.T

	mu   sync.Mutex
	idle []*theatre
}

// use plays something with a tenant of its own. A theatre where something
// failed is not used again: what was left behind is none of the next one's
// business.
func (x *stages) use(t *testing.T, play func(*scene)) {
	t.Helper()
	s := x.take()
	s.t = t
	defer func() {
		s.t = x.t
		if t.Failed() || s.cases >= casesPerTheatre {
			s.close()
			return
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.idle = append(x.idle, s)
	}()
	play(s.scene())
}

func (x *stages) take() *theatre {
	x.mu.Lock()
	if n := len(x.idle); n > 0 {
		s := x.idle[n-1]
		x.idle = x.idle[:n-1]
		x.mu.Unlock()
		return s
	}
	x.mu.Unlock()
	return newTheatre(x.t)
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	s := &theatre{world: &world{t: t, hardware: newPaper()}, pools: map[string]*pool{}, over: make(chan struct{})}
	agent := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	stack, err := local.Start(t.Context(), local.Options{
		Template: "../../template.yaml", Functions: s.function, AgentBinary: agent, Dir: t.TempDir(), ManualSchedules: true,
		DynamoDB: os.Getenv("DCM_TEST_DYNAMODB_ENDPOINT"), Machine: s.hardware, Repository: repository,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Stack = stack
	s.close = sync.OnceFunc(func() {
		close(s.over)
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.close)
	return s
}

// function makes the pool of one function's environments.
func (s *theatre) function(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
	if name == "sweep-keys" {
		s.getenv = getenv
	}
	p := &pool{stage: s, build: func(out http.RoundTripper) (lambda.Handler, error) {
		a, err := app.New(app.Options{
			Function: name, Getenv: getenv, Clock: clock, Output: output, HTTP: &http.Client{Transport: out},
		})
		if err != nil {
			return nil, err
		}
		return registry.Builders()[name](a)
	}}
	s.pools[name] = p
	return p, nil
}

// run runs a function that has a schedule, once, and tells whether it worked.
func (s *theatre) run(function string) answer {
	s.t.Helper()
	result, err := s.pools[function].Invoke(s.t.Context(), []byte(`{}`))
	if err != nil {
		return answer{status: 500, body: []byte(err.Error())}
	}
	return answer{status: 200, body: result}
}

// sweeps runs the sweeps, as their schedules do. The one for orphans comes
// round less often.
func (s *theatre) sweeps(orphans bool) {
	s.t.Helper()
	for _, name := range []string{"sweep-vms", "sweep-keys", "sweep-orphans"} {
		if name == "sweep-orphans" && !orphans {
			continue
		}
		if a := s.run(name); a.status != 200 {
			s.t.Errorf("%s: %s", name, a.body)
		}
	}
}
