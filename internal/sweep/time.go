package sweep

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// putOffTime is what an item leaves of the run's time: enough to note that it was
// not done, or it would be the first again in the next run.
const putOffTime = 20 * time.Second

// timeLeft says whether there is time to begin something that may take so long.
func timeLeft(ctx context.Context, spare time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > spare)
}

// withoutEnd ends a little before the run does.
func withoutEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-putOffTime))
}

// share ends after a part of the time that the run has left, but not after less
// than what most items take.
func share(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline) - putOffTime
	return context.WithTimeout(ctx, min(left, max(left/shareOfRun, leastShare)))
}

// guard turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// age is for how long something had been due.
func age(now, due time.Time) time.Duration { return max(0, now.Sub(due)) }
