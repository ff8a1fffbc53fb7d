package machine

import "github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"

// Hardware is what the local stack's servers are: processes (Machines, here)
// or booted guests (package guest). The simulated Hetzner Cloud boots, stops
// and asks them; the rest of the stack looks at them through it.
type Hardware interface {
	hetzner.Machine
	hetzner.Power

	// Locate returns the host:port of the agent on the server with this
	// address; "" if none listens there.
	Locate(ip string) string
	// WorkspaceDir is where a server's workspace lies on this machine's disk;
	// "" for a server that there isn't.
	WorkspaceDir(id string) string
	// Live lists the servers that run.
	Live() []hetzner.ServerInfo
	// Kill ends every server at once and leaves the disks. It may be called at
	// any time.
	Kill()
	// Close destroys every server. Nothing boots afterwards.
	Close() error
}

var _ Hardware = (*Machines)(nil)
