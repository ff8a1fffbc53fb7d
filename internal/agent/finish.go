package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// finish ends the VM: everything in it stops, it is saved, and the control
// plane is told that it may go. It returns when that is accepted, when the
// control plane does not know the VM any more, or when the agent leaves, or
// nobody has heard the VM for too long: the next start then goes on with it.
func (a *agent) finish(f *front) error {
	w := a.stop.get()
	a.log.Info("ending", "reason", w.Reason, "discard", w.Discard)
	a.status.update(func(s *status) {
		s.reason = w.Reason
		if s.state != dcm.AgentFailed {
			s.state = dcm.AgentStopping
		}
	})
	// First everything that writes, so that what is saved is the end of it.
	f.gateway.Close()
	if err := a.runtime.Stop(context.Background()); err != nil {
		a.log.Warn("something still runs in the workspace", "error", err)
	}
	if a.life.Err() == nil {
		end, alone := a.watchAlone()
		a.saveWhatever()
		a.cleanUp()
		if end(); alone() {
			return a.switchOff()
		}
	}
	if a.leaving.Load() {
		a.log.Info("leaving before the end; the machine comes back")
		return nil
	}
	if err := a.store.change(func(s *state) { s.Over = true }); err != nil {
		return fmt.Errorf("note that the VM is over: %w", err)
	}
	a.log.Info("the VM is over")
	return nil
}

// saveWhatever saves the workspace, if there can be work in it, and does not
// give up until it has, the work may go, or the control plane has let the VM
// go by itself.
func (a *agent) saveWhatever() {
	if !a.store.get().Ready || a.stop.get().Discard {
		return
	}
	ctx, cancel := context.WithCancelCause(a.life)
	defer cancel(nil)
	go func() {
		select {
		case <-a.stop.discarded:
			cancel(errDiscarded)
		case <-ctx.Done():
		}
	}()
	p := retry.Policy{
		Base: a.patience(2 * time.Second), Max: a.patience(5 * time.Minute),
		Transient: func(error) bool { return true },
	}
	err := p.Do(ctx, func(ctx context.Context) error {
		err := a.save(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("the last backup failed; it is tried again", "error", err)
			a.status.update(func(s *status) { s.passing = problem(dcm.ProblemBackupFailed, err.Error()) })
		}
		return err
	})
	if err != nil {
		a.log.Warn("the workspace is not saved", "reason", context.Cause(ctx))
	}
}

// cleanUp asks for the VM's end until that is accepted.
func (a *agent) cleanUp() {
	p := retry.Policy{
		Base: a.patience(time.Second), Max: a.patience(time.Minute),
		Transient: func(err error) bool { return !control.Ended(err) && !errors.Is(err, context.Canceled) },
	}
	last := lastResort{agent: a}
	err := p.Do(a.life, func(ctx context.Context) error {
		w, known := a.stop.get(), a.store.get()
		err := a.client.Cleanup(ctx, dcm.Cleanup{
			Reason: w.Reason, Generation: known.Generation, Discard: w.Discard || !known.Ready,
		})
		if err != nil && !control.Ended(err) {
			a.log.Warn("cleanup failed; it is tried again", "error", err)
			last.failed(ctx, err)
		}
		return err
	})
	if err != nil {
		a.log.Info("the control plane has let the VM go already", "error", err)
	}
}
