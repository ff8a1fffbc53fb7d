// Package machine is the hardware under the simulated Hetzner Cloud. It boots
// a server by doing to its user-data what cloud-init and systemd would do on a
// real one, in a directory that stands for the server's disk: the agent that
// then runs, as a process, is the real one.
//
// What user-data asks that is not understood here fails the boot: a simulation
// that ignores things would hide them.
package machine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// The words of Status.
const (
	running = "running"
	off     = "off"
)

// Options set up the hardware.
type Options struct {
	// Dir is where servers get their directories. It must exist.
	Dir string
	// Environment is added to every agent's, as "NAME=value".
	Environment []string
	// Architecture is the servers', in Go's words; "" for this machine's.
	Architecture string
	// TLS has the agents speak TLS.
	TLS bool
	// RestartPause, if set, is how long an agent that failed waits for its
	// next start, instead of what its unit says.
	RestartPause time.Duration
	Logger       *slog.Logger
}

// Machines are all servers there are. They are Hardware.
type Machines struct {
	options Options
	logger  *slog.Logger
	starter *starter

	mu      sync.Mutex
	servers map[string]*server
	closed  bool
}

// server is one machine. Its process is nil until it has booted.
type server struct {
	info    hetzner.ServerInfo
	dir     string
	process *process
}

// New returns hardware without a server.
func New(o Options) *Machines {
	if o.Architecture == "" {
		o.Architecture = runtime.GOARCH
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Machines{options: o, logger: o.Logger, starter: newStarter(), servers: map[string]*server{}}
}

// Boot makes the server's disk from its user-data, unless it has one from
// before it was switched off, and starts the agent.
func (m *Machines) Boot(ctx context.Context, info hetzner.ServerInfo) error {
	v := &server{info: info, dir: filepath.Join(m.options.Dir, "server-"+info.ID)}
	m.mu.Lock()
	if known := m.servers[info.ID]; known != nil {
		v = known
	}
	m.servers[info.ID] = v
	m.mu.Unlock()

	unit, err := m.prepare(ctx, v)
	if err != nil {
		return fmt.Errorf("boot %s: %w", info.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil || m.closed || m.servers[info.ID] != v {
		return fmt.Errorf("boot %s: it was deleted meanwhile", info.Name)
	}
	if m.options.RestartPause > 0 {
		unit.pause = m.options.RestartPause
	}
	if v.process, err = m.starter.start(unit, v, m.options.Environment...); err != nil {
		return fmt.Errorf("boot %s: %w", info.Name, err)
	}
	m.logger.Info("a server runs", "server", info.Name, "directory", v.dir, "process", v.process.id())
	return nil
}

// Stop destroys the server and its disk.
func (m *Machines) Stop(_ context.Context, id string) error {
	m.mu.Lock()
	v := m.servers[id]
	delete(m.servers, id)
	m.mu.Unlock()
	if v == nil {
		return nil
	}
	v.kill()
	if err := removeDisk(v.dir); err != nil {
		return fmt.Errorf("destroy the disk of %s: %w", v.info.Name, err)
	}
	return nil
}

// PowerOff stops the server and keeps its disk.
func (m *Machines) PowerOff(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.servers[id]; v != nil {
		v.kill()
	}
	return nil
}

// Status is "running" while the server's agent lives or is about to be started
// again, else "off".
func (m *Machines) Status(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.servers[id]; v != nil && v.process != nil && v.process.alive() {
		return running
	}
	return off
}

// WorkspaceDir is where the server's workspace lies on this machine's disk;
// "" for a server that there isn't.
func (m *Machines) WorkspaceDir(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.servers[id]; v != nil {
		return filepath.Join(v.root(), "workspace")
	}
	return ""
}

// Locate returns the host:port where the agent of the server with this
// address listens; "" if none does.
func (m *Machines) Locate(ip string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.servers {
		if v.info.IPv4 != ip && v.info.IPv6 != ip || v.process == nil || !v.process.alive() {
			continue
		}
		if port, err := os.ReadFile(v.portFile()); err == nil && len(port) > 0 {
			return "127.0.0.1:" + strings.TrimSpace(string(port))
		}
	}
	return ""
}

// Live lists the servers whose agents live.
func (m *Machines) Live() []hetzner.ServerInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []hetzner.ServerInfo
	for _, v := range m.servers {
		if v.process != nil && v.process.alive() {
			live = append(live, v.info)
		}
	}
	return live
}

// Kill ends every process at once and leaves the disks. It may be called at
// any time, from a second Ctrl-C for example.
func (m *Machines) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.servers {
		v.kill()
	}
}

// Close destroys every server. Nothing boots afterwards.
func (m *Machines) Close() error {
	m.mu.Lock()
	m.closed = true
	var ids []string
	for id := range m.servers {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	var first error
	for _, id := range ids {
		if err := m.Stop(context.Background(), id); err != nil && first == nil {
			first = err
		}
	}
	m.starter.close()
	return first
}

func (v *server) root() string       { return filepath.Join(v.dir, "root") }
func (v *server) portFile() string   { return filepath.Join(v.dir, "port") }
func (v *server) logFile() string    { return filepath.Join(v.dir, "agent.log") }
func (v *server) bootedFile() string { return filepath.Join(v.dir, "booted") }

func (v *server) kill() {
	if v.process != nil {
		v.process.kill()
	}
}
