package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
)

// firstUser is the user id that development images give their user.
const firstUser = 1000

// GiveToContainer hands a fresh clone to the user that devcontainers usually
// have, so that the commands a container runs while it is made can write. Only
// root can, and only root must.
func GiveToContainer(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	out, err := exec.CommandContext(ctx, "chown", "-R", "-h", fmt.Sprintf("%d:%d", firstUser, firstUser), "--", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("give the workspace to the container's user: %s", strings.TrimSpace(string(out)))
	}
	return nil
}

// own makes the workspace the container user's, if it is somebody else's: git
// refuses to work in another's repository.
func (d *Devcontainer) own(ctx context.Context) error {
	out, _, err := d.run(ctx, "docker", "exec", "--user", d.up.User, d.up.ContainerID, "id", "-u")
	uid, convErr := strconv.Atoi(strings.TrimSpace(string(out)))
	info, statErr := os.Stat(d.Dir)
	if err != nil || convErr != nil || statErr != nil {
		d.Logger.Warn("the workspace's owner is left as it is", "error", err)
		return nil
	}
	if os.Geteuid() != 0 || int(info.Sys().(*syscall.Stat_t).Uid) == uid || d.up.Folder == "" {
		return nil
	}
	if _, words, err := d.run(ctx, "docker", "exec", "--user", "root", d.up.ContainerID,
		"chown", "-R", "-h", strconv.Itoa(uid), "--", d.up.Folder); err != nil {
		d.Logger.Warn("the workspace's owner is left as it is", "error", words)
	}
	return nil
}

// Shell is a login shell in the container, bash if it has one.
func (d *Devcontainer) Shell() *exec.Cmd {
	// The shell is the engine's child, not the command's: the mark finds it.
	mark := proc.TerminalVariable + "=" + strings.ToLower(rand.Text())
	args := []string{"exec", "--interactive", "--tty", "--user", d.up.User, "--env", mark, "--env", "TERM=xterm-256color", "--env", "COLORTERM=truecolor"}
	if d.up.Folder != "" {
		args = append(args, "--workdir", d.up.Folder)
	}
	args = append(args, d.up.ContainerID, "/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash -l; fi; exec sh -l")
	c := exec.Command("docker", args...)
	c.Env = append(baseEnvironment(), mark, "TERM=xterm-256color")
	return c
}

// Dial reaches a port of the container: at its address or, where it has none or
// a server listens on its loopback only, from inside its network.
func (d *Devcontainer) Dial(ctx context.Context, port int) (net.Conn, error) {
	err := errNoAddress
	if d.up.ip != "" {
		var c net.Conn
		if c, err = new(net.Dialer).DialContext(ctx, "tcp", address(d.up.ip, port)); err == nil {
			return c, nil
		}
	}
	c, inside := dialInside(ctx, d.up.pid, port)
	if inside == nil {
		return c, nil
	}
	return nil, fmt.Errorf("reach port %d of the container: %w", port, errors.Join(err, inside))
}

var errNoAddress = errors.New("it has no address")

// Process is the container's first process.
func (d *Devcontainer) Process() int { return d.up.pid }

// Stop stops the container, and every other: a database beside it, or what its
// user has started by the engine's socket, may write to the workspace too.
func (d *Devcontainer) Stop(ctx context.Context) error {
	if d.up.ContainerID == "" {
		return nil
	}
	out, words, err := d.run(ctx, "docker", "ps", "--quiet")
	if err != nil {
		return fmt.Errorf("docker ps: %s", explain(containerUp{}, words, err))
	}
	running := strings.Fields(string(out))
	if len(running) == 0 {
		return nil
	}
	if _, words, err := d.run(ctx, "docker", append([]string{"stop", "--time", "10"}, running...)...); err != nil {
		return fmt.Errorf("docker stop: %s", explain(containerUp{}, words, err))
	}
	return nil
}
