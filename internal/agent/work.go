package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/idle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// watchWork starts the idle clock.
func (a *agent) watchWork() {
	samplers := map[idle.Signal]idle.Sampler{idle.Files: &idle.FileSampler{Dir: a.options.WorkspaceDir}}
	var cpu idle.Either
	if a.processes != nil {
		cpu = append(cpu, &idle.CPUSampler{Spent: idle.SpentByProcesses(a.processes.Processes)})
	}
	if pid := a.runtime.Process(); pid > 0 {
		cpu = append(cpu, &idle.CPUSampler{Spent: idle.SpentByContainer(pid)})
	}
	if len(cpu) > 0 {
		samplers[idle.CPU] = cpu
	}
	if a.options.ownsMachine() {
		// On a machine shared with others a login says nothing about this VM.
		samplers[idle.SSH] = &idle.SSHSampler{}
	}
	timeout := time.Duration(max(1, a.answer().IdleTimeoutMinutes)) * time.Minute
	a.monitor.Store(idle.New(a.clock, timeout, a.pace.sample, samplers, a.log))
}

// work watches over a ready workspace until ctx ends: it ends the VM when
// nobody works in it, and saves it now and then.
func (a *agent) work(ctx context.Context) {
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { a.saveNowAndThen(ctx) })
	ticker := time.NewTicker(a.pace.sample)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if a.monitor.Load().Sample() {
			a.log.Info("nobody works here any more")
			a.stop.ask(wish{Reason: dcm.StopIdle})
			return
		}
	}
}

// retryBackupAfter is how soon a backup that failed is tried again.
const retryBackupAfter = 2 * time.Minute

// saveNowAndThen takes a backup every interval if something has changed. A
// failure is told, and tried again soon.
func (a *agent) saveNowAndThen(ctx context.Context) {
	interval := time.Duration(a.answer().BackupSeconds) * time.Second
	if interval <= 0 {
		return
	}
	pause := interval
	for last := a.readyAt; pass(ctx, a.clock, last, pause, a.pace.poll, nil); {
		last, pause = a.clock.Now(), interval
		if err := a.save(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("the backup failed", "error", err)
			a.status.update(func(s *status) { s.passing = problem(dcm.ProblemBackupFailed, err.Error()) })
			pause = min(interval, retryBackupAfter)
		}
	}
}

// save makes sure that the workspace as it is now is backed up and verified.
// It uploads nothing if it is already.
func (a *agent) save(ctx context.Context) error {
	a.saving.Lock()
	defer a.saving.Unlock()
	defer a.status.backingUp()()
	// Looked at before it is read: what changes in between is read, and what
	// changes later is noticed next time.
	look, err := tree.TakeSettled(ctx, a.options.WorkspaceDir)
	if err != nil {
		return err
	}
	known := a.store.get()
	if !tree.Same(look.All, known.Saved) {
		began := time.Now()
		saved, err := a.saver.Save(ctx, a.options.WorkspaceDir, known.Generation)
		if err != nil {
			return fmt.Errorf("back up: %w", err)
		}
		// It is saved, whether or not this machine's disk can still note so.
		if err := a.store.keep(func(s *state) { s.Generation, s.Saved = saved.Generation, look.All }); err != nil {
			a.log.Error("the new generation can't be noted on disk", "error", err)
		}
		a.log.Info("saved", "generation", saved.Generation, "bytes", saved.Totals.Size, "seconds", time.Since(began).Seconds(),
			"entries", saved.Report.Entries, "notes", saved.Report.Noted)
		for _, n := range saved.Report.Notes {
			a.log.Warn("not saved as it was", "path", n.Path, "what", n.What)
		}
	}
	a.status.clearPassing()
	return nil
}

func (s *status) clearPassing() {
	s.mu.Lock()
	failed := s.passing != nil
	s.mu.Unlock()
	if failed {
		s.update(func(s *status) { s.passing = nil })
	}
}

var errDiscarded = errors.New("the work may go")
