// Package agenttest is a control plane and its storage for the agent's tests:
// stateful, one VM, one workspace, and able to fail like the real ones.
package agenttest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// VM is the only VM.
const VM dcm.VMID = "vm-abcdefghij"

// The VM's secrets.
const (
	BootstrapToken = "bootstrap-token"
	FirstVMToken   = "vm-token-1"
	Password       = "terminal-password"
)

// Plane is the control plane. Its exported fields are set before the agent
// runs; everything else goes through its methods.
type Plane struct {
	// URL is where the plane is served; presigned URLs lead there.
	URL string
	// Answer is the bootstrap answer; what the plane itself knows is filled in.
	Answer dcm.BootstrapAnswer
	// PartBytes is the size of a part, 1 MiB by default.
	PartBytes int64
	// Clock is what the answers' dates go by; the machine's if nil.
	Clock dcm.Clock

	dir      string
	identity *age.X25519Identity
	routes   *http.ServeMux

	mu      sync.Mutex
	changed *sync.Cond
	ahead   time.Duration
	state   state
	faults  []*Fault
}

type state struct {
	boundKey   string
	token      string
	nextToken  string
	generation int64
	wrote      int64 // the generation that this VM wrote last
	object     *object
	upload     *upload
	starts     int
	expired    int
	beats      []dcm.Heartbeat
	command    dcm.HeartbeatAnswer
	cleanups   []dcm.Cleanup
	calls      map[string]int
}

type object struct {
	path   string
	size   int64
	sha256 string
}

// New makes a plane that keeps its objects in dir. Serve it, then set URL.
func New(dir string) (*Plane, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make the workspace's key: %w", err)
	}
	p := &Plane{
		dir: dir, identity: identity, PartBytes: 1 << 20, routes: http.NewServeMux(),
		state: state{
			token: FirstVMToken, calls: map[string]int{},
			command: dcm.HeartbeatAnswer{Command: dcm.CommandNone},
		},
		Answer: dcm.BootstrapAnswer{
			VMID: VM, TenantID: "default", WorkspaceID: "ws-abcdefghij", Hostname: string(VM) + ".vm.localhost",
			TerminalPassword: Password, Runtime: "host", IdleTimeoutMinutes: 30,
			ExpiresAt: time.Now().Add(12 * time.Hour), HeartbeatSeconds: 60, BackupSeconds: 900,
		},
	}
	p.changed = sync.NewCond(&p.mu)
	p.route()
	return p, nil
}

// Config is what user-data would leave on the VM.
func (p *Plane) Config() dcm.AgentConfig {
	return dcm.AgentConfig{APIURL: p.URL, Installation: "test", VMID: VM, BootstrapToken: BootstrapToken}
}

// NewVM forgets the VM but not the workspace: the next agent to bootstrap is
// another VM's, and restores.
func (p *Plane) NewVM() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state{
		token: FirstVMToken, generation: p.state.generation, object: p.state.object,
		calls: map[string]int{}, command: dcm.HeartbeatAnswer{Command: dcm.CommandNone},
	}
	p.faults = nil
}

// Stop makes every further heartbeat answer a stop.
func (p *Plane) Stop(reason dcm.StopReason, discard bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.command = dcm.HeartbeatAnswer{Command: dcm.CommandStop, Reason: reason, Discard: discard}
}

// Forget makes the plane answer that it does not know the VM.
func (p *Plane) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.token = ""
}

// Advance sets the plane's clock ahead of the machine's.
func (p *Plane) Advance(ahead time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = ahead
}

// Overtake moves the workspace's generation as another VM would.
func (p *Plane) Overtake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.generation += 10
}

// RotateToken makes the next heartbeat hand out another token, and the old one
// work until then.
func (p *Plane) RotateToken(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.nextToken = token
}

// ExpireUploadURLs makes every presigned upload URL handed out so far useless.
func (p *Plane) ExpireUploadURLs() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.expired++
}

// Restore returns the newest backup as a bootstrap answer would, or nil.
func (p *Plane) Restore() *dcm.Restore {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restore()
}

func (p *Plane) restore() *dcm.Restore {
	if p.state.object == nil {
		return nil
	}
	return &dcm.Restore{
		URL: p.URL + "/storage/object", Size: p.state.object.size, SHA256: p.state.object.sha256,
		Generation: p.state.generation, Identities: []string{p.identity.String()},
	}
}

// Generation is the workspace's.
func (p *Plane) Generation() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.generation
}

// ObjectPath is the file that holds the newest backup.
func (p *Plane) ObjectPath() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.object.path
}

// Calls counts the requests of one route, for example "heartbeat".
func (p *Plane) Calls(route string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.calls[route]
}

// Cleanups are the accepted cleanups.
func (p *Plane) Cleanups() []dcm.Cleanup {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]dcm.Cleanup(nil), p.state.cleanups...)
}

// Heartbeats are all heartbeats so far.
func (p *Plane) Heartbeats() []dcm.Heartbeat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]dcm.Heartbeat(nil), p.state.beats...)
}

// Await waits until done, which sees the plane after each of its requests.
func (p *Plane) Await(limit time.Duration, done func(*View) bool) error {
	timer := time.AfterFunc(limit, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer timer.Stop()
	deadline := time.Now().Add(limit)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !done(&View{&p.state}) {
		if !time.Now().Before(deadline) {
			return fmt.Errorf("not within %v; calls were %v, heartbeats %+v", limit, p.state.calls, p.state.beats)
		}
		p.changed.Wait()
	}
	return nil
}

// View is the plane's state while Await looks at it.
type View struct{ s *state }

// Last is the newest heartbeat, the zero one before the first.
func (v *View) Last() dcm.Heartbeat {
	if len(v.s.beats) == 0 {
		return dcm.Heartbeat{}
	}
	return v.s.beats[len(v.s.beats)-1]
}

// Generation is the workspace's.
func (v *View) Generation() int64 { return v.s.generation }

// Calls counts the requests of one route.
func (v *View) Calls(route string) int { return v.s.calls[route] }

func (p *Plane) path(name string) string { return filepath.Join(p.dir, filepath.Base(name)) }

func removeAll(paths []string) {
	for _, path := range paths {
		_ = os.Remove(path)
	}
}

// Identity is the workspace's secret key.
func (p *Plane) Identity() string { return p.identity.String() }

// Beats counts the heartbeats.
func (v *View) Beats() int { return len(v.s.beats) }
