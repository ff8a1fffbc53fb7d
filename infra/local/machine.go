package main

import (
	"cmp"
	"errors"
	"os"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

// What a simulated server is, as DCM_MACHINE says it.
const (
	process   = "process" // its agent, a process of this machine
	container = "guest"   // a Linux in a container of systemd-nspawn
	machine   = "vm"      // a Linux with a kernel of its own, in QEMU
)

func machineKind() (string, error) {
	kind := cmp.Or(os.Getenv("DCM_MACHINE"), process)
	switch kind {
	case process, container, machine:
		return kind, nil
	}
	return "", errors.New("DCM_MACHINE must be process, guest or vm")
}

// theatre is where the stack runs, and what its servers are.
type theatre struct {
	options local.Options
	// started completes the stack's surroundings before its user hears of it.
	started func(*local.Stack) error
}

// processes is a theatre for processes.
func processes(o local.Options) theatre {
	return theatre{options: o, started: func(*local.Stack) error { return nil }}
}
