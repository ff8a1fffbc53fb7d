package agent

import (
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// bearings tell the control plane's time: what its last answer said, and what
// has passed since. This machine's own time of day is not believed, as nobody
// knows whether it was ever set right, or will be set while work goes on; that
// time passes is.
type bearings struct {
	clock dcm.Clock

	mu  sync.Mutex
	was time.Time // the control plane's time, at
	at  time.Time // this time of the clock
}

// hear takes the time of an answer.
func (b *bearings) hear(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.was, b.at = now, b.clock.Now()
}

// Now is the control plane's time; zero until it was heard of.
func (b *bearings) Now() time.Time { return b.of(b.clock.Now()) }

// of is the control plane's time when the clock showed t.
func (b *bearings) of(t time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.was.IsZero() {
		return time.Time{}
	}
	return b.was.Add(t.Sub(b.at))
}

// tell puts times of the clock into the control plane's, in a heartbeat. Before
// that was heard of they stay as they are.
func (b *bearings) tell(beat *dcm.Heartbeat) {
	for _, t := range []*time.Time{
		beat.Signals.Terminal, beat.Signals.HTTP, beat.Signals.SSH, beat.Signals.Files, beat.Signals.CPU, beat.IdleSince,
	} {
		if t == nil {
			continue
		}
		if known := b.of(*t); !known.IsZero() {
			*t = known
		}
		*t = t.Round(0)
	}
}
