package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/certificate"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/idle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// makeRuntime chooses where the workspace runs.
func (a *agent) makeRuntime(answer *dcm.BootstrapAnswer) error {
	switch answer.Runtime {
	case workspace.RuntimeHost:
		h := &workspace.Host{Dir: a.options.WorkspaceDir, VM: a.config.VMID, Apart: a.options.ownsMachine() && workspace.Apart()}
		a.processes = &proc.Workspace{Mark: h.Mark(), Logins: a.options.ownsMachine()}
		own := &proc.Workspace{Mark: h.Mark()} // who has logged in is not ours to end
		h.Processes = func() ([]int, error) {
			pids, err := own.PIDs()
			if errors.Is(err, errors.ErrUnsupported) {
				return nil, nil
			}
			return pids, err
		}
		a.runtime = h
	case workspace.RuntimeDevcontainer:
		a.runtime = &workspace.Devcontainer{
			Dir: a.options.WorkspaceDir, StateDir: a.options.StateDir, DefaultImage: answer.DefaultImage, Logger: a.log,
		}
	default:
		return fmt.Errorf("this agent knows no runtime %q", answer.Runtime)
	}
	return nil
}

// makeCertificate prepares for what the gateway shows to browsers. Where it
// serves plain HTTP, and where there is no authority to ask, there is nothing to
// keep.
func (a *agent) makeCertificate(answer *dcm.BootstrapAnswer) {
	if a.options.Listen != "" && !a.options.TLS || len(answer.ACMEDirectories) == 0 {
		return
	}
	a.certificate = certificate.New(certificate.Options{
		Hostname: answer.Hostname, Directories: answer.ACMEDirectories, Dir: filepath.Join(a.options.StateDir, "certificate"),
		Control: a.client, Clock: a.clock, Logger: a.log, UserAgent: "dcm-agent/" + a.options.Version, Patience: a.options.Patience,
	})
}

// certificateWait bounds what a new workspace waits for its certificate: longer
// than an authority takes that is well, and no more than a user lets pass.
const certificateWait = 15 * time.Second

// awaitCertificate keeps a workspace that could be used from being called
// running while its certificate, which was ordered when the boot began, is about
// to come: whoever is told so goes there at once. It does not wait for an
// authority that has refused, nor long for one that hangs, nor where work is
// there already. An error is ctx's.
func (a *agent) awaitCertificate(ctx context.Context) error {
	if a.certificate == nil || a.store.get().Ready {
		return nil
	}
	if pass(ctx, a.clock, a.clock.Now(), certificateWait, a.pace.poll, a.certificate.Tried()) {
		a.log.Warn("the workspace does not wait for its certificate any longer", "after", certificateWait)
	}
	return ctx.Err()
}

// front is the gateway and its listeners.
type front struct {
	gateway *gateway.Gateway
	stop    context.CancelFunc
	done    chan struct{}
}

// openFront serves the gateway, which shows how far the boot is until the
// workspace is ready.
func (a *agent) openFront(answer *dcm.BootstrapAnswer) (*front, error) {
	g := gateway.New(gateway.Options{
		Hostname: answer.Hostname, Password: dcm.NewSecret(answer.TerminalPassword),
		Shell: a.shell, Dial: a.dial,
		TerminalInput: func() { a.touch(idle.Terminal) },
		HTTPActivity:  func() { a.touch(idle.HTTP) },
		Status:        a.status.page, Logger: a.log, Clock: a.clock,
	})
	listeners, err := a.listen()
	if err != nil {
		return nil, err
	}
	if a.certificate != nil {
		listeners.GetCertificate = a.certificate.Get
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &front{gateway: g, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		if err := g.Serve(ctx, listeners); err != nil {
			a.log.Error("the gateway stopped", "error", err)
		}
	}()
	return f, nil
}

func (a *agent) listen() (l gateway.Listeners, err error) {
	if a.options.Listen == "" {
		if l.TLS, err = net.Listen("tcp", ":443"); err != nil {
			return l, fmt.Errorf("listen for the gateway: %w", err)
		}
		if l.HTTP, err = net.Listen("tcp", ":80"); err != nil {
			return l, errors.Join(fmt.Errorf("listen for the gateway: %w", err), l.TLS.Close())
		}
		return l, nil
	}
	one, err := net.Listen("tcp", a.options.Listen)
	if err != nil {
		return l, fmt.Errorf("listen for the gateway: %w", err)
	}
	if a.options.PortFile != "" {
		port := strconv.Itoa(one.Addr().(*net.TCPAddr).Port)
		if err := writeFile(a.options.PortFile, []byte(port)); err != nil {
			return l, errors.Join(err, one.Close())
		}
	}
	if a.options.TLS {
		return gateway.Listeners{TLS: one}, nil
	}
	return gateway.Listeners{HTTP: one}, nil
}

// close ends the terminals and stops serving. It may be called again.
func (f *front) close() {
	f.gateway.Close()
	f.stop()
	<-f.done
}

func (a *agent) shell() *exec.Cmd {
	if !a.usable.Load() {
		return exec.Command("/bin/sh", "-c", "echo 'The workspace is not ready.'")
	}
	return a.runtime.Shell()
}

func (a *agent) dial(ctx context.Context, port int) (net.Conn, error) {
	if !a.usable.Load() {
		return nil, errors.New("the workspace is not ready")
	}
	return a.runtime.Dial(ctx, port)
}

func (a *agent) touch(s idle.Signal) {
	if m := a.monitor.Load(); m != nil {
		m.Touch(s)
	}
}
