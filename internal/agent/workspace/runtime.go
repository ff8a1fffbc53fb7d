package workspace

import (
	"context"
	"net"
	"os/exec"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// The runtimes' names, as bootstrap answers and heartbeats have them.
const (
	RuntimeHost         = "host"
	RuntimeDevcontainer = "devcontainer"
)

// Runtime is where a workspace's programs run.
type Runtime interface {
	// Name is "host" or "devcontainer".
	Name() string
	// Start makes the workspace usable. A problem, which is not an error, is
	// something its user should know: the default image runs instead.
	Start(ctx context.Context) (*dcm.Problem, error)
	// Shell makes the command of one new terminal.
	Shell() *exec.Cmd
	// Dial reaches a TCP port of the workspace.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Process is a process whose control group holds the whole workspace; 0 if
	// there is none and the agent's own descendants are the workspace.
	Process() int
	// Stop ends everything that runs in the workspace, so that its files keep
	// still.
	Stop(ctx context.Context) error
}

// dialLocal reaches a port of this machine. A server may listen on one of the
// two loopback addresses only.
func dialLocal(ctx context.Context, port int) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, err6 := d.DialContext(ctx, "tcp", address("::1", port)); err6 == nil {
		return c, nil
	}
	return nil, err
}
