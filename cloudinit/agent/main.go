// Command agent is what runs on a VM: it takes the VM's configuration from the
// control plane, makes the workspace, serves its terminal and ports, saves it,
// and asks for its own end.
//
// SIGTERM and SIGINT ask for a stop: back up, clean up, exit. If systemd is
// about to reboot the machine or to restart the agent, it exits at once. A
// second signal ends the agent at once; the next start carries on where it was.
//
// Exit codes: 0, the VM is over, or the agent was told to leave, and must not
// be started again; 1, the agent failed and should be (Restart=on-failure).
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
)

func main() {
	var o agent.Options
	flag.StringVar(&o.Root, "root", "", "the directory that stands for /; empty on a VM of its own")
	flag.StringVar(&o.ConfigPath, "config", "", "the configuration (default ROOT/etc/dcm/agent.json)")
	flag.StringVar(&o.WorkspaceDir, "workspace", "", "the workspace (default ROOT/workspace)")
	flag.StringVar(&o.StateDir, "state", "", "where the agent keeps its state (default ROOT/var/lib/dcm)")
	flag.StringVar(&o.Listen, "listen", "", "one plain HTTP address instead of 443 and 80, for example 127.0.0.1:0")
	flag.BoolVar(&o.TLS, "tls", false, "speak TLS on the address that --listen names")
	flag.StringVar(&o.PortFile, "port-file", "", "where to write the port that --listen got")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	o.Version = agent.Version()
	if *version {
		fmt.Println(o.Version)
		return
	}
	if o.Root == "" {
		o.ComesBack, o.PowerOff, o.Boot = agent.MachineComesBack, agent.PowerOffMachine, agent.MachineBoot()
	}
	o.LocalClockFile = os.Getenv(agent.LocalClockVariable)
	o.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	agent.BoundMemory()

	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, release) // a second signal has its default effect
	if err := agent.Run(ctx, o); err != nil {
		o.Logger.Error("the agent failed", "error", err)
		os.Exit(1)
	}
}
