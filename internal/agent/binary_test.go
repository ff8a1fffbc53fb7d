package agent_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// binary builds the agent as for a VM, once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dcm-agent-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "agent")
	c := exec.Command("go", "build", "-o", path, "github.com/devcontainer-manager/devcontainer-manager/cloudinit/agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built.Load() {
		if path, err := binary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

var built atomic.Bool

// process is the agent's binary, running.
type process struct {
	*exec.Cmd
	done chan error
}

func (w *world) start(t *testing.T) *process {
	t.Helper()
	path, err := binary()
	must(t, err)
	p := &process{exec.Command(path, "--root", w.root, "--config", w.config(), "--listen", "127.0.0.1:0",
		"--port-file", filepath.Join(w.root, "port")), make(chan error, 1)}
	p.Env = append(os.Environ(), agent.LocalClockVariable+"="+w.clock)
	p.Stderr = w.log
	must(t, p.Start())
	go func() { p.done <- p.Wait() }()
	return p
}

// TestKilledAtAnyMoment kills the agent as it makes each of its calls, before
// and after the call has its effect, and starts it again.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	built.Store(true)
	for _, route := range []string{"bootstrap", "heartbeat", "start", "parts", "put", "complete", "cleanup"} {
		for _, late := range []bool{false, true} {
			t.Run(route+map[bool]string{false: " before", true: " after"}[late], func(t *testing.T) {
				w := newWorld(t)
				var current *process
				var mu sync.Mutex
				kill := func() {
					mu.Lock()
					defer mu.Unlock()
					_ = current.Process.Kill()
				}
				w.plane.Inject(agenttest.Fault{Route: route, Count: 1, Before: kill, LoseAnswer: late, Status: 503})
				start := func() *process {
					mu.Lock()
					defer mu.Unlock()
					current = w.start(t)
					return current
				}
				p := start()
				var work string
				if route == "bootstrap" || route == "heartbeat" {
					await(t, w, p, true)
					p = start()
				}
				w.await(t, state(dcm.AgentRunning))
				w.fill(t)
				work = describe(t, w.workspace())
				w.plane.Stop(dcm.StopUser, false)
				if route != "bootstrap" && route != "heartbeat" {
					await(t, w, p, true)
					p = start()
				}
				await(t, w, p, false)
				cleanups := w.plane.Cleanups()
				if len(cleanups) == 0 {
					t.Fatalf("no cleanup\n%s", w.log)
				}
				if c := cleanups[len(cleanups)-1]; c.Discard || c.Generation != w.plane.Generation() || c.Generation < 1 {
					t.Errorf("the cleanup is %+v, the workspace at %d", c, w.plane.Generation())
				}
				w.newVM(t)
				p = start()
				w.await(t, state(dcm.AgentRunning))
				if got := describe(t, w.workspace()); got != work {
					t.Errorf("the next VM has\n%s\ninstead of\n%s", got, work)
				}
				must(t, p.Process.Signal(syscall.SIGTERM))
				await(t, w, p, false)
			})
		}
	}
}

// await waits for a process's end: killed, or with exit code 0.
func await(t *testing.T, w *world, p *process, killed bool) {
	t.Helper()
	select {
	case err := <-p.done:
		if (err != nil) != killed {
			t.Fatalf("the agent ended with %v\n%s", err, w.log)
		}
	case <-time.After(limit):
		_ = p.Process.Kill()
		t.Fatalf("the agent does not end\n%s", w.log)
	}
}

func TestKilledWhileRestoring(t *testing.T) {
	t.Parallel()
	built.Store(true)
	w := newWorld(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	before := describe(t, w.workspace())
	w.plane.Stop(dcm.StopUser, false)
	r.over()

	w.newVM(t)
	var p *process
	ready := make(chan struct{})
	w.plane.Inject(agenttest.Fault{Route: "get", Count: 1, CutAfter: 3000, Before: func() { <-ready; _ = p.Process.Kill() }})
	p = w.start(t)
	close(ready)
	await(t, w, p, true)
	if _, err := os.Stat(w.workspace()); !os.IsNotExist(err) {
		t.Errorf("half a workspace is there: %v", err)
	}
	p = w.start(t)
	w.await(t, state(dcm.AgentRunning))
	if after := describe(t, w.workspace()); after != before {
		t.Errorf("restored\n%s\ninstead of\n%s", after, before)
	}
	must(t, p.Process.Signal(syscall.SIGINT))
	await(t, w, p, false)
}

func TestBinary(t *testing.T) {
	t.Parallel()
	built.Store(true)
	w := newWorld(t)
	p := w.start(t)
	w.await(t, state(dcm.AgentRunning))
	port, err := os.ReadFile(filepath.Join(w.root, "port"))
	must(t, err)
	if n, err := strconv.Atoi(string(port)); err != nil || n < 1 {
		t.Errorf("the port file holds %q", port)
	}
	environment, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/environ")
	if err == nil && !strings.Contains(string(environment), agent.LocalClockVariable) {
		t.Error("the agent runs without its clock")
	}
	must(t, p.Process.Signal(syscall.SIGTERM))
	await(t, w, p, false)
	if len(w.plane.Cleanups()) != 1 {
		t.Error("SIGTERM was no stop")
	}
}
