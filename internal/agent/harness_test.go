package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// limit is how long a test waits for what must happen.
const limit = 60 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a control plane, a repository, and one VM's disk.
type world struct {
	plane *agenttest.Plane
	repo  string
	root  string
	log   *syncBuffer
	clock string // the file that moves the VM's clock
	// clockMu guards clock, once the plane serves.
	clockMu sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	plane, err := agenttest.New(t.TempDir())
	must(t, err)
	server := httptest.NewServer(plane)
	t.Cleanup(server.Close)
	plane.URL = server.URL
	plane.Answer.HeartbeatSeconds = 1
	w := &world{plane: plane, repo: newRepository(t), log: &syncBuffer{}}
	plane.Clock = w
	plane.Answer.Repository = dcm.Repository{URL: "file://" + w.repo}
	w.newVM(t)
	return w
}

// newVM gives the workspace a fresh machine.
func (w *world) newVM(t *testing.T) {
	t.Helper()
	w.plane.NewVM()
	w.root = t.TempDir()
	w.clockMu.Lock()
	w.clock = filepath.Join(w.root, "clock")
	w.clockMu.Unlock()
	must(t, os.MkdirAll(filepath.Join(w.root, "etc", "dcm"), 0o755))
	b, err := json.Marshal(w.plane.Config())
	must(t, err)
	must(t, os.WriteFile(w.config(), b, 0o600))
	must(t, os.WriteFile(w.clock, []byte("0s"), 0o600))
}

// Now is the time of the VM's clock, which is also the plane's.
func (w *world) Now() time.Time {
	w.clockMu.Lock()
	path := w.clock
	w.clockMu.Unlock()
	b, _ := os.ReadFile(path)
	ahead, _ := time.ParseDuration(strings.TrimSpace(string(b)))
	return time.Now().Add(ahead)
}

func (w *world) config() string    { return filepath.Join(w.root, "etc", "dcm", "agent.json") }
func (w *world) workspace() string { return filepath.Join(w.root, "workspace") }
func (w *world) state() string     { return filepath.Join(w.root, "var", "lib", "dcm") }

func (w *world) options() agent.Options {
	return agent.Options{
		Root: w.root, Listen: "127.0.0.1:0", PortFile: filepath.Join(w.root, "port"), Version: "test",
		LocalClockFile: w.clock, Patience: 20 * time.Millisecond,
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// running is an agent in this process.
type running struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func (w *world) run(t *testing.T) *running {
	t.Helper()
	return w.runWith(t, w.options())
}

func (w *world) runWith(t *testing.T, o agent.Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- agent.Run(ctx, o)
	}()
	t.Cleanup(func() {
		cancel()
		w.plane.Heal()
		w.plane.Stop(dcm.StopUser, true)
		select {
		case <-ended:
		case <-time.After(limit):
			t.Error("the agent does not end")
		}
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return r
}

// over waits for the agent's end.
func (r *running) over() {
	r.t.Helper()
	select {
	case err := <-r.done:
		must(r.t, err)
	case <-time.After(limit):
		r.t.Fatal("the agent does not end")
	}
}

// ended waits for the agent's end, and returns its error.
func (r *running) ended() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(limit):
		r.t.Fatal("the agent does not end")
		return nil
	}
}

func (w *world) await(t *testing.T, done func(*agenttest.View) bool) {
	t.Helper()
	if err := w.plane.Await(limit, done); err != nil {
		t.Fatalf("%v\n%s", err, w.log)
	}
}

func state(s dcm.AgentState) func(*agenttest.View) bool {
	return func(v *agenttest.View) bool { return v.Last().State == s }
}

func (w *world) cleanup(t *testing.T) dcm.Cleanup {
	t.Helper()
	all := w.plane.Cleanups()
	if len(all) != 1 {
		t.Fatalf("the cleanups are %+v\n%s", all, w.log)
	}
	return all[0]
}

// fill makes work in the workspace, of every kind.
func (w *world) fill(t *testing.T) {
	t.Helper()
	dir := w.workspace()
	must(t, os.MkdirAll(filepath.Join(dir, "node_modules", ".bin"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "empty"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "node_modules", "tool.js"), bytes.Repeat([]byte("work "), 300_000), 0o755))
	must(t, os.Link(filepath.Join(dir, "node_modules", "tool.js"), filepath.Join(dir, "hard")))
	must(t, os.Symlink("../tool.js", filepath.Join(dir, "node_modules", ".bin", "tool")))
	must(t, os.Symlink("/usr/bin/env", filepath.Join(dir, "outside")))
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("s"), 0o400))
	must(t, os.Chtimes(filepath.Join(dir, "secret"), time.Unix(1, 2), time.Unix(3, 4)))
}

// describe lists a tree with everything a backup keeps.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	must(t, filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		must(t, err)
		name, _ := filepath.Rel(dir, p)
		s := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%q %o %d:%d %d", name, s.Mode, s.Uid, s.Gid, info.ModTime().UnixNano())
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(p)
			must(t, err)
			line += " -> " + target
			if s.Nlink > 1 && first[s.Ino] != "" {
				line += " = " + first[s.Ino]
			} else {
				first[s.Ino] = name
			}
		case info.Mode().IsRegular():
			if s.Nlink > 1 && first[s.Ino] != "" {
				line += " = " + first[s.Ino]
				break
			}
			first[s.Ino] = name
			b, err := os.ReadFile(p)
			must(t, err)
			line += fmt.Sprintf(" %x", b)
		}
		lines = append(lines, line)
		return nil
	}))
	return strings.Join(lines, "\n")
}

// newRepository makes a git repository with a submodule and a branch.
func newRepository(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	git := func(dir string, args ...string) {
		c := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main",
			"-c", "user.name=T", "-c", "user.email=t@example.com"}, args...)...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	library, repo := filepath.Join(base, "library"), filepath.Join(base, "repo")
	for _, dir := range []string{library, repo} {
		must(t, os.Mkdir(dir, 0o755))
		git(dir, "init", "--quiet")
		must(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte(filepath.Base(dir)+"\n"), 0o644))
		git(dir, "add", ".")
		git(dir, "commit", "--quiet", "-m", "first")
	}
	git(repo, "submodule", "--quiet", "add", "file://"+library, "lib")
	git(repo, "commit", "--quiet", "-m", "with a library")
	git(repo, "checkout", "--quiet", "-b", "feature/x")
	must(t, os.WriteFile(filepath.Join(repo, "feature"), []byte("x\n"), 0o644))
	git(repo, "add", ".")
	git(repo, "commit", "--quiet", "-m", "feature")
	git(repo, "checkout", "--quiet", "main")
	return repo
}

// syncBuffer collects a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// write makes or changes a file in the workspace.
func (w *world) write(t *testing.T, name string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(w.workspace(), name), []byte(time.Now().String()), 0o644))
}
