package workspace_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
  case "$1" in --override-config) override=$2;; --config) config=$2;; esac
  shift
done
if [ -n "$override" ]; then cat "$override" >> "$CALLS"; echo >> "$CALLS"; config=$override; fi
echo "[2 ms] Start: Run: docker build" >&2
if grep -q broken "$config"; then
  echo "ERROR: failed to solve: https://user:hunter2@registry.example.com/x: not found" >&2
  echo '{"outcome":"error","message":"Command failed: docker build","description":"An error occurred building the image."}'
  exit 1
fi
echo '{"outcome":"success","containerId":"c0ffee","remoteUser":"vscode","remoteWorkspaceFolder":"/workspaces/w"}'
`
	fakeDocker = `
echo "docker $*" >> "$CALLS"
case "$1" in
  inspect) echo "$PID_AND_IP";;
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
			if got, want := c.called(t), "devcontainer up --workspace-folder "+c.Dir+" --config "+filepath.Join(c.Dir, place)+"\n"; !strings.HasPrefix(got, want) {
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
		if got := c.called(t); !strings.Contains(got, "--remove-existing-container") || !strings.Contains(got, "registry.example.com/default") {
			t.Errorf("the calls are %s", got)
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
		must(t, c.Stop(context.Background()))
		if got := c.called(t); !strings.HasSuffix(got, "docker stop --time 10 c0ffee\n") {
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
