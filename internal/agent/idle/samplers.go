package idle

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
)

// busyShare is how much of one core, over the time between two samples, counts
// as work: a build or a coding agent uses more, a language server that waits
// for its user less.
const busyShare = 0.05

// walkRest is how much longer than a walk of the files the pause after it is,
// unless a decision depends on it.
const walkRest = 20

// FileSampler notices changed files by walking the workspace's metadata.
// Inotify would need a watch per directory and has a limit on them; a walk
// costs about 2 µs per file, and at most a twentieth of a core.
type FileSampler struct {
	// Dir is the workspace.
	Dir string

	last string
	seen bool
	next time.Time
}

// Sample walks the workspace, if it is time or it must.
func (f *FileSampler) Sample(must bool) (active, fresh bool, err error) {
	began := time.Now()
	if !must && began.Before(f.next) {
		return false, false, nil
	}
	look, err := tree.Take(context.Background(), f.Dir)
	f.next = time.Now().Add(walkRest * time.Since(began))
	if err != nil {
		return false, false, err
	}
	active = f.seen && !tree.Same(f.last, look.Work)
	f.last, f.seen = look.Work, true
	return active, true, nil
}

// CPUSampler notices a workspace that computes. Spent returns what it has
// computed since the previous call. The share is of real time, whatever the
// clock says.
type CPUSampler struct {
	Spent func() (time.Duration, error)

	last time.Time
}

// Sample compares what was computed with the time that passed.
func (c *CPUSampler) Sample(bool) (active, fresh bool, err error) {
	spent, err := c.Spent()
	if err != nil {
		return false, false, err
	}
	now := time.Now()
	elapsed, first := now.Sub(c.last), c.last.IsZero()
	c.last = now
	return !first && spent > time.Duration(float64(elapsed)*busyShare), true, nil
}

// SpentByProcesses sums up the processes that list finds, for a CPUSampler. A
// process counts what its finished children have computed: a build of a
// thousand short compilers is seen, if some of it twice.
func SpentByProcesses(list func() ([]proc.Process, error)) func() (time.Duration, error) {
	type identity struct {
		pid   int
		start uint64
	}
	var before map[identity]time.Duration
	return func() (time.Duration, error) {
		processes, err := list()
		if err != nil {
			return 0, err
		}
		var spent time.Duration
		now := make(map[identity]time.Duration, len(processes))
		for _, p := range processes {
			id := identity{p.PID, p.Start}
			now[id] = p.CPU
			if before != nil {
				spent += p.CPU - before[id]
			}
		}
		before = now
		return spent, nil
	}
}

// SpentByContainer is what the control group of a process spends, for a
// CPUSampler.
func SpentByContainer(pid int) func() (time.Duration, error) {
	var before time.Duration
	return func() (time.Duration, error) {
		total, err := proc.Spent(pid)
		if err != nil {
			return 0, err
		}
		spent := max(0, total-before)
		before = total
		return spent, nil
	}
}

// SSHSampler notices people at work over SSH. A session with a terminal counts
// when its terminal was read from, that is, typed into; one without, an
// editor's or a copy, while it is connected, because nothing shows its use.
type SSHSampler struct{ read map[string]time.Time }

// Sample compares the terminals' times of last input.
func (s *SSHSampler) Sample(bool) (active, fresh bool, err error) {
	terminals, err := proc.Logins()
	if err != nil {
		return false, false, err
	}
	read := make(map[string]time.Time, len(terminals))
	for _, t := range terminals {
		if t == "notty" {
			active = true
			continue
		}
		info, err := os.Stat(filepath.Join("/dev", t))
		if err != nil {
			continue // it has just been closed
		}
		at := accessTime(info)
		read[t] = at
		if before, known := s.read[t]; !known || at.After(before) {
			active = true
		}
	}
	s.read = read
	return active, true, nil
}

// Either is active when one of several is, and fresh when all are.
type Either []Sampler

// Sample asks all.
func (e Either) Sample(must bool) (active, fresh bool, err error) {
	fresh = true
	for _, s := range e {
		a, f, err := s.Sample(must)
		if err != nil {
			return false, false, err
		}
		active, fresh = active || a, fresh && f
	}
	return active, fresh, nil
}
