// Package agent is what runs on a VM: it takes the VM's configuration from the
// control plane, makes the workspace, serves it, saves it, and asks for its
// own end.
//
// Whatever ends the agent, the next start carries on where it was: every step
// is recorded in its state before or after it so that repeating it is safe.
// Nothing is deleted, here or by asking for it, before what is in it is saved,
// unless the user or the control plane said that it may go.
package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options say where the agent lives. The zero value is a VM of its own.
type Options struct {
	// Root stands for /. If it is set the agent shares its machine with others:
	// it then looks at nothing that is not its own.
	Root string
	// ConfigPath, WorkspaceDir and StateDir default to places below Root.
	ConfigPath   string
	WorkspaceDir string
	StateDir     string
	// Listen is one plain HTTP address; empty for 443 with TLS and 80. With TLS
	// set it is one address for TLS.
	Listen string
	TLS    bool
	// PortFile, if set, gets the port that Listen got, in decimal.
	PortFile string
	Version  string
	// LocalClockFile, if set, holds how far the clock is ahead.
	LocalClockFile string
	Logger         *slog.Logger
	// ComesBack is asked when the agent is to end: whether that is only for a
	// while, see MachineComesBack; nil for never.
	ComesBack func() bool
	// Boot names the machine's present boot, see MachineBoot; if empty, each start
	// of the agent counts as one.
	Boot string
	// PowerOff switches the machine off; nil where it is not the VM's own.
	PowerOff func() error
	// Patience bounds the pauses between tries; zero is for production.
	Patience time.Duration
}

// memoryLimit leaves, of the 64 MiB the agent may use, room for what the
// limit does not count: the program itself and the kernel's buffers.
const memoryLimit = 40 << 20

// BoundMemory keeps the process small: it shares the machine with what it is
// there for. It uses no environment variable, which terminals would inherit.
func BoundMemory() {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(50)
}

// Version is the program's version as the Go toolchain recorded it, at most 64
// characters.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version[:min(64, len(info.Main.Version))]
}

func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		at   *string
		path string
	}{
		{&o.ConfigPath, "/etc/dcm/agent.json"}, {&o.WorkspaceDir, "/workspace"}, {&o.StateDir, "/var/lib/dcm"},
	} {
		if *d.at == "" {
			*d.at = filepath.Join(o.Root, d.path)
		}
		absolute, err := filepath.Abs(*d.at)
		if err != nil {
			return o, fmt.Errorf("find %s: %w", *d.at, err)
		}
		*d.at = absolute
	}
	if o.Listen == "" && o.PortFile != "" {
		return o, errors.New("a port file needs an address to listen on")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// ownsMachine reports whether the whole machine is the workspace's.
func (o Options) ownsMachine() bool { return o.Root == "" }

func (o Options) clock() dcm.Clock {
	if o.LocalClockFile == "" {
		return dcm.SystemClock{}
	}
	return fileClock{path: o.LocalClockFile}
}
