package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options is what a gateway needs. Hostname, Password, Shell and Dial are
// required; callbacks may be nil.
type Options struct {
	// Hostname is the VM's, without port. Requests are routed by the label
	// before it.
	Hostname string
	// Password opens everything. While it is empty, nothing does.
	Password dcm.Secret
	// Shell makes the command of one new terminal tab.
	Shell func() *exec.Cmd
	// Dial reaches a port of the workspace.
	Dial func(ctx context.Context, port int) (net.Conn, error)
	// TerminalInput is called when a user types, never on output.
	TerminalInput func()
	// HTTPActivity is called on an authenticated request, and on data a client
	// sends over a WebSocket or another stream; never on a server's data, nor
	// for what the terminal page asks by itself.
	HTTPActivity func()
	// Status is shown by the terminal page until the workspace is ready.
	Status func() Status
	// Logger defaults to discarding.
	Logger *slog.Logger
	// Clock tells when a login ends; it defaults to the system's.
	Clock dcm.Clock
}

// Status is how far the workspace has come, in words for its user.
type Status struct {
	Phase   dcm.Phase `json:"phase"`
	Message string    `json:"message,omitempty"`
	// Problem is what went wrong, whether it ended the boot (a clone that
	// failed) or not (an image that failed to build, while another runs).
	Problem *dcm.Problem `json:"problem,omitempty"`
}

// Gateway is an http.Handler for every host name of one VM.
type Gateway struct {
	options  Options
	hostname string
	sessions *terminal.Sessions
	door     *door
	ui       http.Handler
	ports    *portProxy

	streams    context.Context
	endStreams context.CancelFunc
}

// New makes a gateway. It starts nothing.
func New(o Options) *Gateway {
	o = o.withDefaults()
	g := &Gateway{options: o, hostname: strings.ToLower(o.Hostname)}
	g.streams, g.endStreams = context.WithCancel(context.Background())
	g.sessions = terminal.New(terminal.Options{Shell: o.Shell, Input: o.TerminalInput, Logger: o.Logger})
	g.door = newDoor(g.hostname, o.Password, o.Clock)
	g.ports = newPortProxy(g.hostname, o)
	g.ui = g.newUI()
	return g
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = dcm.SystemClock{}
	}
	if o.TerminalInput == nil {
		o.TerminalInput = func() {}
	}
	if o.HTTPActivity == nil {
		o.HTTPActivity = func() {}
	}
	if o.Status == nil {
		o.Status = func() Status { return Status{Phase: dcm.PhaseReady} }
	}
	return o
}

// Close ends every terminal with all that runs in it, and every stream. It
// returns when the processes are gone.
func (g *Gateway) Close() {
	g.endStreams()
	g.sessions.Close()
}

// ServeHTTP routes a request by its host.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.streams, cancel)()
	r = r.WithContext(ctx)

	to, ok := parseHost(r.Host, g.hostname)
	if !ok {
		writeUnknownHost(w, r)
		return
	}
	if to.ui {
		g.ui.ServeHTTP(w, r)
		return
	}
	g.servePort(w, r, to.port)
}

func (g *Gateway) servePort(w http.ResponseWriter, r *http.Request, port int) {
	if !g.admit(w, r) {
		return
	}
	if crossOrigin(r, g.hostname) {
		writeForeignOrigin(w, r)
		return
	}
	g.options.HTTPActivity()
	g.door.strip(r)
	g.ports.serve(w, r, port)
}
