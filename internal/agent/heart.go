package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// beatForever sends heartbeats until ctx ends: every interval, and at once
// when something has changed. A control plane that is away is called again
// with backoff, never more rarely than every interval.
func (a *agent) beatForever(ctx context.Context) {
	interval := time.Duration(max(1, a.answer().HeartbeatSeconds)) * time.Second
	backoff := retry.Policy{Base: a.patience(time.Second), Max: a.patience(interval)}
	failed := 0
	for ctx.Err() == nil {
		sent := a.clock.Now()
		err := a.beat(ctx)
		if err == nil {
			failed = 0
			// A little early and never in step with other agents.
			pass(ctx, a.clock, sent, interval-rand.N(interval/10+1), a.pace.poll, a.status.changed)
			continue
		}
		if control.Ended(err) {
			a.log.Info("the control plane does not know this VM any more")
			a.endLife()
			return
		}
		if ctx.Err() != nil {
			return
		}
		if failed == 0 {
			a.log.Warn("the heartbeat failed", "error", err)
		}
		pause := backoff.Pause(failed, err)
		failed++
		_ = dcm.Sleep(ctx, pause)
	}
}

// beat sends one heartbeat and does what the answer says.
func (a *agent) beat(ctx context.Context) error {
	b := a.status.heartbeat()
	b.Version = a.options.Version
	if m := a.monitor.Load(); m != nil {
		b.Signals, b.IdleSince = m.State()
		a.bearings.tell(&b)
	}
	answer, err := a.client.Heartbeat(ctx, b)
	if err != nil {
		return err
	}
	a.unheard.heard()
	if answer.Token != "" {
		a.client.SetToken(dcm.NewSecret(answer.Token))
		if err := a.store.keep(func(s *state) { s.Answer.VMToken = answer.Token }); err != nil {
			a.log.Error("the fresh token can't be kept", "error", err)
		}
	}
	if answer.Command == dcm.CommandStop {
		a.stop.ask(wish{Reason: answer.Reason, Discard: answer.Discard})
	}
	return nil
}
