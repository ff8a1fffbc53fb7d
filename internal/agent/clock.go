package agent

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// LocalClockVariable names, in the local stack only, the file that says how
// far the clock is ahead, as a Go duration.
const LocalClockVariable = "DCM_LOCAL_CLOCK"

// fileClock runs ahead of the machine's by what a file says. Its times keep
// their monotonic reading.
type fileClock struct{ path string }

// Now returns the time; the machine's own if the file can't be read.
func (c fileClock) Now() time.Time {
	now := dcm.SystemClock{}.Now()
	text, err := os.ReadFile(c.path)
	if err != nil {
		return now
	}
	ahead, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return now
	}
	return now.Add(ahead)
}

// pace is how often things are looked at.
type pace struct {
	// poll bounds one wait for a time of the clock, which may be moved.
	poll time.Duration
	// sample is the pause between two looks for signs of work.
	sample time.Duration
}

func (o Options) pace() pace {
	if o.LocalClockFile != "" {
		return pace{poll: 200 * time.Millisecond, sample: time.Second}
	}
	return pace{poll: time.Minute, sample: 15 * time.Second}
}

// pass waits until d has passed on the clock since from. One that was set back
// makes the wait no longer than d from then. It returns as until does.
func pass(ctx context.Context, clock dcm.Clock, from time.Time, d time.Duration, poll time.Duration, wake <-chan struct{}) bool {
	now := clock.Now()
	left := min(d, from.Add(d).Sub(now))
	return until(ctx, &forward{clock: clock, last: now}, now.Add(left), poll, wake)
}

// forward is a clock that stands still when another one is set back, and then
// runs on with it.
type forward struct {
	clock dcm.Clock
	last  time.Time
	added time.Duration
}

// Now returns a time that is never before one that was returned earlier.
func (f *forward) Now() time.Time {
	now := f.clock.Now().Add(f.added)
	if back := f.last.Sub(now); back > 0 {
		f.added += back
		now = f.last
	}
	f.last = now
	return now
}

// until waits for a time of the clock. It returns true when it has come, false
// when wake was heard or ctx ended before.
func until(ctx context.Context, clock dcm.Clock, at time.Time, poll time.Duration, wake <-chan struct{}) bool {
	for {
		left := at.Sub(clock.Now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, poll))
		select {
		case <-timer.C:
		case <-wake:
			timer.Stop()
			return false
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
