package workspace_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// The stand-ins write down how they were called. The repository's own
// configuration builds unless it says so; the default image always comes up,
// unless the image is called broken.
const (
	fakeDevcontainer = `
echo "devcontainer $*" >> "$CALLS"
override=
while [ $# -gt 0 ]; do
  case "$1" in --override-config) override=$2;; --config) config=$2;; --skip-post-create) skip=1;; esac
  shift
done
if [ -n "$override" ]; then cat "$override" >> "$CALLS"; echo >> "$CALLS"; config=$override; fi
echo "[2 ms] Start: Run: docker build" >&2
if grep -q broken "$config"; then
  printf '#7 0.387 the compiler is missing\r\n------\r\n' >&2
  echo '   4 | >>> RUN make' >&2
  echo "[2026-11-24T13:18:03.405Z] ERROR: failed to solve: https://user:hunter2@registry.example.com/x: not found" >&2
  echo "Error: Command failed: docker buildx build --load and so on" >&2
  for n in 1 2 3 4 5 6 7 8 9; do echo "    at async U9 (/usr/local/lib/node_modules/@devcontainers/cli/dist/spec-node/devContainersSpecCLI.js:468:2009)" >&2; done
  echo '{"outcome":"error","message":"Command failed: docker build","description":"An error occurred building the image."}'
  exit 1
fi
if grep -q database "$config" && [ -z "$skip" ]; then
  echo "the database is away" >&2
  echo '{"outcome":"error","message":"Command failed: sh","description":"postCreateCommand failed.","containerId":"c0ffee"}'
  exit 1
fi
echo '{"outcome":"success","containerId":"c0ffee","remoteUser":"vscode","remoteWorkspaceFolder":"/workspaces/w"}'
`
	fakeDocker = `
echo "docker $*" >> "$CALLS"
case "$1" in
  inspect) echo "$PID_AND_IP";;
  ps) echo c0ffee; echo da7aba5e;;
  exec) case "$*" in *"id -u"*) echo 1000;; esac;;
esac
`
)

type container struct {
	*workspace.Devcontainer
	calls string
}

func newContainer(t *testing.T, files map[string]string) container {
	t.Helper()
	tools(t, map[string]string{"devcontainer": fakeDevcontainer, "docker": fakeDocker})
	dir, state := t.TempDir(), t.TempDir()
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	calls := filepath.Join(state, "calls")
	t.Setenv("CALLS", calls)
	t.Setenv("PID_AND_IP", "4242 127.0.0.1")
	return container{&workspace.Devcontainer{
		Dir: dir, StateDir: state, DefaultImage: "registry.example.com/default", Logger: slog.New(slog.DiscardHandler),
	}, calls}
}

func (c container) called(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(c.calls)
	must(t, err)
	return string(b)
}

func TestDevcontainer(t *testing.T) {
	t.Run("comes up as the repository says", func(t *testing.T) {
		for _, place := range []string{".devcontainer/devcontainer.json", ".devcontainer.json", ".devcontainer/go/devcontainer.json"} {
			c := newContainer(t, map[string]string{place: `{"image": "golang"}`})
			problem, err := c.Start(context.Background())
			if problem != nil || err != nil {
				t.Errorf("problem %+v, error %v", problem, err)
			}
			if got, want := c.called(t), "devcontainer up --workspace-folder "+c.Dir+" --config "+filepath.Join(c.Dir, place)+" --id-label "; !strings.HasPrefix(got, want) {
				t.Errorf("the calls are %s", got)
			}
			if c.Process() != 4242 {
				t.Errorf("its process is %d", c.Process())
			}
		}
	})
	t.Run("is the default one without a configuration", func(t *testing.T) {
		c := newContainer(t, nil)
		problem, err := c.Start(context.Background())
		if problem != nil || err != nil {
			t.Errorf("problem %+v, error %v", problem, err)
		}
		if got := c.called(t); !strings.Contains(got, `"image":"registry.example.com/default"`) || !strings.Contains(got, "--override-config") {
			t.Errorf("the calls are %s", got)
		}
	})
	t.Run("falls back to the default image, and says so", func(t *testing.T) {
		c := newContainer(t, map[string]string{".devcontainer/devcontainer.json": `{"image": "broken"}`})
		problem, err := c.Start(context.Background())
		must(t, err)
		if problem == nil || problem.Code != dcm.ProblemBuildFailed || !strings.Contains(problem.Message, "failed to solve") ||
			!strings.Contains(problem.Message, "An error occurred building the image.") || strings.Contains(problem.Message, "hunter2") {
			t.Errorf("the problem is %+v", problem)
		}
		for _, want := range []string{"the compiler is missing", "the default image runs instead"} {
			if !strings.Contains(problem.Message, want) {
				t.Errorf("%q is not in %q", want, problem.Message)
			}
		}
		if len(problem.Message) > dcm.MaxProblemBytes || strings.Contains(problem.Message, "devContainersSpecCLI") || strings.Contains(problem.Message, "RUN make") {
			t.Errorf("it says %q, in %d bytes", problem.Message, len(problem.Message))
		}
		// Two containers that must not be taken for each other.
		if got := c.called(t); !strings.Contains(got, "container=own") || !strings.Contains(got, "container=default") || !strings.Contains(got, "registry.example.com/default") {
			t.Errorf("the calls are %s", got)
		}
	})
	t.Run("stays in a container of which a command failed, and says so", func(t *testing.T) {
		c := newContainer(t, map[string]string{".devcontainer.json": `{"image": "golang", "postCreateCommand": "database"}`})
		problem, err := c.Start(context.Background())
		must(t, err)
		if problem == nil || problem.Code != dcm.ProblemBuildFailed || !strings.Contains(problem.Message, "the database is away") {
			t.Errorf("the problem is %+v", problem)
		}
		if got := c.called(t); strings.Contains(got, "container=default") || strings.Contains(got, "docker rm") {
			t.Errorf("the calls are %s", got)
		}
	})
	t.Run("is left alone when only the agent starts again", func(t *testing.T) {
		for _, config := range []string{"golang", "broken"} {
			c := newContainer(t, map[string]string{".devcontainer.json": `{"image": "` + config + `"}`})
			first, err := c.Start(context.Background())
			must(t, err)
			ups := strings.Count(c.called(t), "devcontainer up")
			again := &workspace.Devcontainer{Dir: c.Dir, StateDir: c.StateDir, DefaultImage: c.DefaultImage, Logger: c.Logger}
			second, err := again.Start(context.Background())
			must(t, err)
			if (first == nil) != (second == nil) || first != nil && *first != *second {
				t.Errorf("of %s it first says %+v, then %+v", config, first, second)
			}
			if n := strings.Count(c.called(t), "devcontainer up"); n != ups || again.Process() != 4242 {
				t.Errorf("it came up %d times, and its process is %d", n, again.Process())
			}
			t.Setenv("PID_AND_IP", "0") // after a reboot it is there, but stopped
			if _, err := again.Start(context.Background()); err != nil || strings.Count(c.called(t), "devcontainer up") == ups {
				t.Errorf("a stopped one was left alone: %v", err)
			}
		}
	})
	t.Run("fails when the default image fails too", func(t *testing.T) {
		c := newContainer(t, nil)
		c.DefaultImage = "broken"
		if _, err := c.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "failed to solve") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("fails when there is no such program", func(t *testing.T) {
		c := newContainer(t, nil)
		t.Setenv("PATH", "/nowhere")
		if _, err := c.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "executable file not found") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("is entered as its user, in its folder, and stopped", func(t *testing.T) {
		c := newContainer(t, nil)
		_, err := c.Start(context.Background())
		must(t, err)
		shell := strings.Join(c.Shell().Args, " ")
		if !strings.Contains(shell, "--user vscode") || !strings.Contains(shell, "--workdir /workspaces/w c0ffee") {
			t.Errorf("the shell is %s", shell)
		}
		// The shell in there is found by the mark that the command has too.
		mark := func(c *exec.Cmd) string {
			return c.Env[slices.IndexFunc(c.Env, func(v string) bool { return strings.HasPrefix(v, proc.TerminalVariable+"=") })]
		}
		one, other := c.Shell(), c.Shell()
		if mark(one) == mark(other) || !slices.Contains(one.Args, mark(one)) {
			t.Errorf("the marks are %s and %s", mark(one), mark(other))
		}
		must(t, c.Stop(context.Background()))
		if got := c.called(t); !strings.HasSuffix(got, "docker stop --time 10 c0ffee da7aba5e\n") {
			t.Errorf("the calls are %s", got)
		}
	})
	t.Run("is reached at its address", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
		defer server.Close()
		_, text, _ := net.SplitHostPort(server.Listener.Addr().String())
		port, _ := strconv.Atoi(text)
		c := newContainer(t, nil)
		_, err := c.Start(context.Background())
		must(t, err)
		conn, err := c.Dial(context.Background(), port)
		must(t, err)
		must(t, conn.Close())
		server.Close()
		if conn, err := c.Dial(context.Background(), port); err == nil {
			_ = conn.Close()
			t.Error("a closed port was reached")
		}
	})
}
