// Package proc reads Linux's table of processes: which belong to the
// workspace, how much they compute, and who is logged in over SSH. Elsewhere
// everything is errors.ErrUnsupported.
package proc

import (
	"os"
	"sync"
	"time"
)

// Process is one process.
type Process struct {
	PID, Parent int
	// Start tells one process from a later one with the same id.
	Start uint64
	// CPU is what it and its finished children have computed.
	CPU time.Duration
	// Zombie says that it has ended, and only its parent has not noticed.
	Zombie bool
}

// TerminalVariable is in the environment of a command that shows the shell of a
// container, and of that shell: see Entrants.
const TerminalVariable = "DCM_TERMINAL"

type identity struct {
	pid   int
	start uint64
}

// knowledge is what is known of a process.
type knowledge struct {
	marked bool
	looks  int
}

// Workspace finds the processes of a workspace that runs on the machine
// itself: what carries the workspace's mark in its environment, which a
// process keeps when it detaches itself, and the descendants of those, which
// keep their ancestors when they clear their environment.
type Workspace struct {
	// Mark is "NAME=value".
	Mark string
	// Logins adds what users run who have logged in to the machine.
	Logins bool

	mu    sync.Mutex
	known map[identity]knowledge // by it, an environment is not read again and again
}

// Processes lists the living ones.
func (w *Workspace) Processes() ([]Process, error) {
	all, err := List()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := make(map[identity]knowledge, len(all))
	parents := make(map[int]int, len(all))
	marked := make(map[int]bool, len(all))
	for _, p := range all {
		parents[p.PID] = p.Parent
		id := identity{p.PID, p.Start}
		k := w.known[id]
		// Twice: the first look may have come before the process became the
		// program it was made for.
		if !k.marked && k.looks < 2 {
			k.marked = carries(p.PID, w.Mark) || w.Logins && isLogin(p.PID)
			k.looks++
		}
		known[id], marked[p.PID] = k, k.marked
	}
	w.known = known
	var ours []Process
	for _, p := range all {
		if p.PID != os.Getpid() && p.PID > 1 && !p.Zombie && inherits(p.PID, marked, parents) {
			ours = append(ours, p)
		}
	}
	return ours, nil
}

// PIDs lists the ids of Processes.
func (w *Workspace) PIDs() ([]int, error) {
	processes, err := w.Processes()
	pids := make([]int, len(processes))
	for i, p := range processes {
		pids[i] = p.PID
	}
	return pids, err
}

// inherits reports whether a process or one of its ancestors is marked.
func inherits(pid int, marked map[int]bool, parents map[int]int) bool {
	for range len(parents) {
		if pid <= 1 {
			return false
		}
		if marked[pid] {
			return true
		}
		pid = parents[pid]
	}
	return false
}
