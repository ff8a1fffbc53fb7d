package workspace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Devcontainer runs a workspace in the container that its repository
// describes. The programs devcontainer and docker are found on PATH.
type Devcontainer struct {
	// Dir is the workspace.
	Dir string
	// StateDir is where a configuration of our own may lie.
	StateDir string
	// DefaultImage runs a repository that describes no container, or whose
	// container can't be built.
	DefaultImage string
	Logger       *slog.Logger

	up containerUp
}

// containerUp is what devcontainer up prints last.
type containerUp struct {
	Outcome     string `json:"outcome"`
	ContainerID string `json:"containerId"`
	User        string `json:"remoteUser"`
	Folder      string `json:"remoteWorkspaceFolder"`
	Message     string `json:"message"`
	Description string `json:"description"`

	pid int
	ip  string
}

// Name returns RuntimeDevcontainer.
func (d *Devcontainer) Name() string { return RuntimeDevcontainer }

// Start brings the container up. The repository's own configuration comes
// first; if that fails, the default image runs, and the problem says why.
func (d *Devcontainer) Start(ctx context.Context) (*dcm.Problem, error) {
	config := FindConfig(d.Dir)
	if config == "" {
		return nil, d.start(ctx, d.defaultConfig)
	}
	err := d.start(ctx, func() ([]string, error) { return []string{"--config", config}, nil })
	if err == nil || ctx.Err() != nil {
		return nil, err
	}
	d.Logger.Warn("the repository's devcontainer failed; the default image runs instead", "error", err)
	problem := &dcm.Problem{
		Code:    dcm.ProblemBuildFailed,
		Message: "the repository's devcontainer failed, and the default image runs instead: " + err.Error(),
	}
	fallback := d.start(ctx, func() ([]string, error) {
		args, err := d.defaultConfig()
		return append(args, "--remove-existing-container"), err
	})
	return problem, fallback
}

// FindConfig returns the path of a repository's devcontainer.json, or "".
func FindConfig(dir string) string {
	places := []string{
		filepath.Join(dir, ".devcontainer", "devcontainer.json"),
		filepath.Join(dir, ".devcontainer.json"),
	}
	// The specification allows one more level; the first by name counts.
	more, _ := filepath.Glob(filepath.Join(escapeGlob(dir), ".devcontainer", "*", "devcontainer.json"))
	for _, p := range append(places, more...) {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// defaultConfig writes a configuration for the default image and returns the
// arguments that select it.
func (d *Devcontainer) defaultConfig() ([]string, error) {
	if d.DefaultImage == "" {
		return nil, errors.New("there is no default image")
	}
	body, err := json.Marshal(map[string]any{"name": "default", "image": d.DefaultImage})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(d.StateDir, "default-devcontainer.json")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return nil, fmt.Errorf("write the default configuration: %w", err)
	}
	return []string{"--override-config", path}, nil
}

func (d *Devcontainer) start(ctx context.Context, config func() ([]string, error)) error {
	args, err := config()
	if err != nil {
		return err
	}
	out, words, err := d.run(ctx, "devcontainer", append([]string{"up", "--workspace-folder", d.Dir}, args...)...)
	up := lastResult(out)
	if err != nil || up.Outcome != "success" || up.ContainerID == "" {
		if ctx.Err() != nil {
			return fmt.Errorf("devcontainer up: %w", ctx.Err())
		}
		return fmt.Errorf("devcontainer up: %s", explain(up, words, err))
	}
	if up.User == "" {
		up.User = "root"
	}
	if err := d.inspect(ctx, &up); err != nil {
		return err
	}
	d.up = up
	return d.own(ctx)
}

// lastResult finds the line of JSON that ends devcontainer's output.
func lastResult(out []byte) (up containerUp) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	_ = json.Unmarshal(lines[len(lines)-1], &up)
	return up
}

// explain finds the most telling words of a failure.
func explain(up containerUp, words string, err error) string {
	for _, s := range []string{up.Description, up.Message} {
		if s != "" {
			words = s + "\n" + words
			break
		}
	}
	if words = strings.TrimSpace(withoutCredentials(words)); words != "" {
		return words
	}
	if err != nil {
		return err.Error()
	}
	return "it reported no container"
}

// inspect finds the container's address and its first process.
func (d *Devcontainer) inspect(ctx context.Context, up *containerUp) error {
	out, words, err := d.run(ctx, "docker", "inspect", "--type", "container", "--format",
		"{{.State.Pid}}{{range .NetworkSettings.Networks}} {{.IPAddress}}{{end}}", up.ContainerID)
	if err != nil {
		return fmt.Errorf("docker inspect: %s", explain(containerUp{}, words, err))
	}
	fields := strings.Fields(string(out))
	if len(fields) > 0 {
		_, _ = fmt.Sscan(fields[0], &up.pid)
		for _, ip := range fields[1:] {
			if net.ParseIP(ip) != nil {
				up.ip = ip
				break
			}
		}
	}
	return nil
}

// run runs a program and returns its output and the end of what it said.
func (d *Devcontainer) run(ctx context.Context, name string, args ...string) ([]byte, string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = baseEnvironment()
	var out bytes.Buffer
	said := &tail{limit: 2 << 10}
	c.Stdout, c.Stderr = &out, said
	inOwnGroup(c)
	err := c.Run()
	return out.Bytes(), said.String(), err
}
