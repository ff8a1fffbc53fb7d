// Command local runs the whole system on this machine, on loopback and in
// memory, until it is interrupted. See package internal/local.
//
// Environment: PORT is the API's port (7070), EDGE_PORT the VMs' (7080,
// or any if that is taken);
// HEARTBEAT_SECONDS is how often agents call (2); DCM_AGENT_BINARY is an agent
// that was built already. With TLS set, to anything, the VMs speak TLS, each with
// a certificate that it signs itself. DCM_MACHINE is what a server is: process,
// guest or vm, of which the last two take root, and a disk that
// infra/guest/rootfs.sh made, in DCM_GUEST_DISK or DCM_GUEST_IMAGE.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "local: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	kind, err := machineKind()
	if err != nil {
		return err
	}
	o, err := options()
	if err != nil {
		return err
	}
	for name, port := range map[string]int{"PORT": o.Port, "EDGE_PORT": o.EdgePort} {
		if port != 0 && free(port) == 0 {
			return fmt.Errorf("another program, perhaps a second stack, has port %d; %s=… to take another", port, name)
		}
	}
	if o.AgentBinary == "" {
		dir, err := os.MkdirTemp("", "dcm-agent-")
		if err != nil {
			return fmt.Errorf("make a directory for the agent: %w", err)
		}
		defer os.RemoveAll(dir)
		if o.AgentBinary, err = buildAgent(interrupts, dir, o.Progress); err != nil {
			return err
		}
	}
	where := processes(o)
	if kind != process {
		if !isInside() {
			return runInside(o, interrupts)
		}
		if where, err = guests(kind, o); err != nil {
			return err
		}
	}
	return where.play(interrupts)
}

// play runs the stack until it is interrupted.
func (t theatre) play(interrupts <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	go func() { <-interrupts; cancel(); close(stopped) }()
	stack, err := local.Start(ctx, t.options)
	if err != nil {
		return err
	}
	if err := t.started(stack); err != nil {
		return errors.Join(err, stack.Close())
	}
	if err := stack.Banner(os.Stdout); err != nil {
		return fmt.Errorf("print the banner: %w", err)
	}
	<-stopped
	t.options.Progress("ending every VM (Ctrl-C again to leave at once)")
	closed := make(chan error, 1)
	go func() { closed <- stack.Close() }()
	select {
	case err := <-closed:
		return err
	case <-interrupts:
		stack.Kill()
		return fmt.Errorf("left at once; %s remains", stack.Dir)
	}
}

func options() (local.Options, error) {
	started := time.Now()
	o := local.Options{
		Template: "template.yaml", Functions: registry.Function, AgentBinary: os.Getenv("DCM_AGENT_BINARY"),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Progress: func(what string) {
			fmt.Printf("[%4.1f s] %s\n", time.Since(started).Seconds(), what)
		},
	}
	if os.Getenv("TLS") != "" {
		o.TLS = &local.TLS{}
	}
	var err error
	if o.Port, err = number("PORT", 7070, 65535); err != nil {
		return o, err
	}
	if o.EdgePort, err = number("EDGE_PORT", free(7080), 65535); err != nil {
		return o, err
	}
	seconds, err := number("HEARTBEAT_SECONDS", 2, 3600)
	o.HeartbeatInterval = time.Duration(seconds) * time.Second
	return o, err
}

// free is the port, or 0 for any if another program, perhaps a second stack,
// has it.
func free(port int) int {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0
	}
	_ = l.Close()
	return port
}

func number(name string, value, most int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return value, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s must be a number up to %d", name, most)
	}
	return n, nil
}

// buildAgent builds the agent for this machine, as for a VM: static.
func buildAgent(interrupts <-chan os.Signal, dir string, progress func(string)) (string, error) {
	progress("building the agent")
	path := filepath.Join(dir, "dcm-agent")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cloudinit/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build the agent: %w", err)
	}
	return path, nil
}
