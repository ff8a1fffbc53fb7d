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
	"regexp"
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
	Message     string `json:"message,omitempty"`
	Description string `json:"description,omitempty"`

	pid int
	ip  string
}

// Name returns RuntimeDevcontainer.
func (d *Devcontainer) Name() string { return RuntimeDevcontainer }

// Start brings the container up. The repository's own configuration comes
// first; if that fails, the default image runs, and the problem says why. A
// container that still runs, since only the agent was started again, is left
// alone.
func (d *Devcontainer) Start(ctx context.Context) (*dcm.Problem, error) {
	if known, running := d.running(ctx); running {
		return known.Problem, nil
	}
	problem, err := d.startAny(ctx)
	if err != nil {
		return problem, err
	}
	d.remember(problem)
	return problem, d.own(ctx)
}

func (d *Devcontainer) startAny(ctx context.Context) (*dcm.Problem, error) {
	config := FindConfig(d.Dir)
	if config == "" {
		return nil, d.startDefault(ctx)
	}
	// The label tells its container from the default image's, which would
	// otherwise be found, and taken for it, after a reboot.
	own := []string{"--config", config, "--id-label", containerLabel + "=own"}
	failed, err := d.bringUp(ctx, own...)
	if err == nil || ctx.Err() != nil {
		return nil, err
	}
	if failed.ContainerID != "" {
		// It is there, and one of its commands failed: its user, who is in it, can
		// do more about that than in another.
		if _, again := d.bringUp(ctx, append(own, "--skip-post-create")...); again == nil {
			d.Logger.Warn("a command of the repository's devcontainer failed", "error", err)
			return buildProblem("the devcontainer runs, but a command of it failed: ", err), nil
		}
		_, _, _ = d.run(ctx, "docker", "rm", "--force", failed.ContainerID) // it only takes room
	}
	d.Logger.Warn("the repository's devcontainer failed; the default image runs instead", "error", err)
	return buildProblem("the devcontainer failed, and the default image runs instead: ", err), d.startDefault(ctx)
}

func buildProblem(what string, err error) *dcm.Problem {
	return &dcm.Problem{Code: dcm.ProblemBuildFailed, Message: what + err.Error()}
}

func (d *Devcontainer) startDefault(ctx context.Context) error {
	args, err := d.defaultConfig()
	if err == nil {
		_, err = d.bringUp(ctx, append(args, "--id-label", containerLabel+"=default")...)
	}
	return err
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

// bringUp runs devcontainer up, and takes the container. When that fails, there
// may be one all the same: then it is named.
func (d *Devcontainer) bringUp(ctx context.Context, args ...string) (containerUp, error) {
	args = append([]string{"up", "--workspace-folder", d.Dir}, args...)
	// The container's user keeps its number, and is given the workspace: the CLI
	// would build another image to give it ours, which is root's.
	args = append(args, "--id-label", folderLabel+"="+d.Dir, "--update-remote-user-uid-default", "never")
	out, words, err := d.run(ctx, "devcontainer", args...)
	up := lastResult(out)
	if err != nil || up.Outcome != "success" || up.ContainerID == "" {
		if ctx.Err() != nil {
			return up, fmt.Errorf("devcontainer up: %w", ctx.Err())
		}
		return up, fmt.Errorf("devcontainer up: %s", explain(up, words, err))
	}
	if up.User == "" {
		up.User = "root"
	}
	if err := d.inspect(ctx, &up); err != nil {
		return up, err
	}
	d.up = up
	return up, nil
}

// Labels of the containers. The first is the specification's, by which editors
// find a folder's container.
const (
	folderLabel    = "devcontainer.local_folder"
	containerLabel = "devcontainer-manager.container"
)

// lastResult finds the line of JSON that ends devcontainer's output.
func lastResult(out []byte) (up containerUp) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	_ = json.Unmarshal(lines[len(lines)-1], &up)
	return up
}

// maxWords is how much of a program's last words is told: as much as the control
// plane keeps, less what stands before them.
const maxWords = dcm.MaxProblemBytes - 200

// explain finds the most telling words of a failure.
func explain(up containerUp, words string, err error) string {
	words = telling(words)
	if over := len(words) - maxWords; over > 0 {
		words = "…" + strings.ToValidUTF8(words[over:], "")
	}
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

var (
	stamp = regexp.MustCompile(`^\[[-0-9T:.]+Z\] `)
	// noise is what the devcontainer CLI says of itself around what a program that
	// it ran has said, and what Docker shows of the Dockerfile.
	noise = regexp.MustCompile(`^(Start: .*|Failed to fetch control manifest.*|\s+at .+:\d+:\d+\)?|Error: Command failed: .*|Exit code \d+|-*|` +
		`\s*\d+ \| .*|\S*Dockerfile\S*:\d+)$`)
)

// telling leaves out what tells a reader nothing.
func telling(words string) string {
	var kept []string
	for line := range strings.Lines(words) {
		line = stamp.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		if !noise.MatchString(line) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
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
	// Buildx would ask git about a workspace that is another user's, in vain.
	c.Env = append(baseEnvironment(), "BUILDX_GIT_INFO=false")
	var out bytes.Buffer
	said := &tail{limit: 8 << 10}
	c.Stdout, c.Stderr = &out, said
	inOwnGroup(c)
	err := c.Run()
	return out.Bytes(), said.String(), err
}
