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

type identity struct {
	pid   int
	start uint64
}

// Workspace finds the processes of a workspace that runs on the machine
// itself: the agent's descendants, and what carries the workspace's mark in
// its environment, because it has detached itself.
type Workspace struct {
	// Mark is "NAME=value".
	Mark string
	// Logins adds what users run who have logged in to the machine.
	Logins bool

	mu    sync.Mutex
	known map[identity]bool // whether a process is marked: its environment is read once
}

// Processes lists the living ones, without the agent.
func (w *Workspace) Processes() ([]Process, error) {
	all, err := List()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := make(map[identity]bool, len(all))
	parents := make(map[int]int, len(all))
	for _, p := range all {
		parents[p.PID] = p.Parent
	}
	self := os.Getpid()
	var ours []Process
	for _, p := range all {
		if p.PID == self || p.PID == 1 || p.Zombie {
			continue
		}
		id := identity{p.PID, p.Start}
		marked, seen := w.known[id]
		if !seen {
			marked = carries(p.PID, w.Mark) || w.Logins && isLogin(p.PID)
		}
		known[id] = marked
		if marked || descends(p.PID, self, parents) {
			ours = append(ours, p)
		}
	}
	w.known = known
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

func descends(pid, ancestor int, parents map[int]int) bool {
	for range len(parents) {
		if pid = parents[pid]; pid <= 1 {
			return false
		}
		if pid == ancestor {
			return true
		}
	}
	return false
}
