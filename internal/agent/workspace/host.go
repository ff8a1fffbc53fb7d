package workspace

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// MarkVariable is in the environment of everything that runs in a host
// workspace. It tells the workspace's processes from the machine's, also those
// that have detached themselves.
const MarkVariable = "DCM_WORKSPACE_VM"

// Host runs a workspace on the machine itself.
type Host struct {
	// Dir is the workspace.
	Dir string
	// VM marks the workspace's processes.
	VM dcm.VMID
	// Processes finds them; nil where that is not possible.
	Processes func() ([]int, error)
	// Apart has systemd run the terminals, outside of the agent's sandbox.
	Apart bool
}

// Name returns RuntimeHost.
func (h *Host) Name() string { return RuntimeHost }

// Start has nothing to do.
func (h *Host) Start(context.Context) (*dcm.Problem, error) { return nil, nil }

// Mark is the workspace's mark, as it stands in an environment.
func (h *Host) Mark() string { return MarkVariable + "=" + string(h.VM) }

// Shell is the user's login shell, in the workspace.
func (h *Host) Shell() *exec.Cmd {
	env := append(baseEnvironment(), h.Mark(), "TERM=xterm-256color", "COLORTERM=truecolor")
	shell := "/bin/sh"
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "SHELL="); ok && executable(s) {
			shell = s
		}
	}
	if h.Apart {
		return apart(h.Dir, withoutUnit(env), shell, "-l")
	}
	c := exec.Command(shell, "-l")
	c.Dir, c.Env = h.Dir, env
	return c
}

// Dial reaches a port of the machine.
func (h *Host) Dial(ctx context.Context, port int) (net.Conn, error) { return dialLocal(ctx, port) }

// Process returns 0.
func (h *Host) Process() int { return 0 }

// Stop ends the workspace's processes: asks first, insists after a while.
func (h *Host) Stop(ctx context.Context) error {
	if h.Processes == nil {
		return nil
	}
	return end(ctx, h.Processes)
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
