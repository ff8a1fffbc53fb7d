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

// until waits for a time of the clock. It returns true when it has come, false
// when wake was heard or ctx ended before. A clock that is set back meanwhile
// makes it wait once more for what was left, and no longer.
func until(ctx context.Context, clock dcm.Clock, at time.Time, poll time.Duration, wake <-chan struct{}) bool {
	least := at.Sub(clock.Now())
	for {
		now := clock.Now()
		left := at.Sub(now)
		if left > least {
			left, at = least, now.Add(least)
		}
		least = left
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
