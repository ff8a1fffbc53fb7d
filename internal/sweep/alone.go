package sweep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// leaseMargin is what a lease outlasts the run's own time by: a run that is
// killed is over before another one begins.
const leaseMargin = 10 * time.Second

// longestRun is how long a run may take that has no deadline of its own.
const longestRun = 15 * time.Minute

// Alone has one run of a sweep work at a time.
type Alone struct {
	// Name is the sweep's.
	Name   string
	Leases dcm.Leases
	Clock  dcm.Clock
	Log    *slog.Logger
	Meter  dcm.Meter
}

// Run runs it, unless another run has the lease: then it does nothing, and
// reports so. A run that could not give the lease back, or was killed, keeps
// others away until its time is over; the next one is told to be careful.
func (a Alone) Run(ctx context.Context, run func(ctx context.Context, careful bool) error) (busy bool, err error) {
	owner, now, life := rand.Text(), a.Clock.Now(), longestRun
	if deadline, ok := ctx.Deadline(); ok {
		life = time.Until(deadline)
	}
	killed, err := a.Leases.TakeLease(ctx, a.Name, owner, now, now.Add(life+leaseMargin))
	if errors.Is(err, dcm.ErrLeaseHeld) {
		a.Meter.Count(dcm.MetricSweepBusy, 1)
		a.Log.WarnContext(ctx, "another run is at work", "sweep", a.Name)
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("begin %s: %w", a.Name, err)
	}
	if killed {
		a.Log.ErrorContext(ctx, "the run before was killed: this one is careful", "sweep", a.Name)
	}
	defer func() {
		if err := a.Leases.GiveBackLease(context.WithoutCancel(ctx), a.Name, owner); err != nil {
			a.Log.ErrorContext(ctx, "the lease could not be given back", "sweep", a.Name, "error", err)
		}
	}()
	return false, run(ctx, killed)
}
