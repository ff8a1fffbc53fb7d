package agent

import (
	"log/slog"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// silence is for how long no control plane had heard a VM that waits for one:
// what of it outlives the agent.
type silence struct {
	Passed time.Duration `json:"passedNanoseconds"`
	// At is when that was noted, by a clock that may be wrong.
	At time.Time `json:"at"`
	// Boot names the boot of the machine in which it was.
	Boot string `json:"boot,omitempty"`
}

// noteSilence is how often it is noted, and so the most that a restart of the
// agent may add: what the clock says of the time in between is not believed.
const noteSilence = time.Minute

// resumed is what has passed when a new run of the agent begins to count. On a
// machine that was booted meanwhile it has a fair try first; while that was off,
// nobody tried.
func (s *silence) resumed(now time.Time, boot string) time.Duration {
	switch {
	case s == nil:
		return 0
	case boot == "" || s.Boot != boot:
		return min(s.Passed, dcm.AloneAfter-dcm.AloneTry)
	default:
		return s.Passed + min(max(0, now.Sub(s.At)), noteSilence)
	}
}

// unheard counts the time in which the VM waits to be heard, over restarts of
// the agent and of the machine. Only time that passes counts, not what a clock
// says after it was set.
type unheard struct {
	clock dcm.Clock
	store *store
	boot  string
	log   *slog.Logger

	mu     sync.Mutex
	passed time.Duration
	until  time.Time // zero before the first count
	noted  time.Time // or heard
}

// spent counts on, and reports whether dcm.AloneAfter has passed.
func (u *unheard) spent() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.clock.Now()
	if u.until.IsZero() {
		u.passed = u.store.get().Silence.resumed(now, u.boot)
	} else {
		u.passed += max(0, now.Sub(u.until))
	}
	u.until = now
	if now.Sub(u.noted) >= noteSilence {
		u.noted = now
		u.note(&silence{Passed: u.passed, At: now.Round(0), Boot: u.boot})
	}
	return u.passed >= dcm.AloneAfter
}

// counted is until when it was counted.
func (u *unheard) counted() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.until
}

// heard says that the control plane has taken a call.
func (u *unheard) heard() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.passed, u.noted = 0, u.clock.Now()
	if !u.until.IsZero() {
		u.until = u.noted
	}
	if u.store.get().Silence != nil {
		u.note(nil)
	}
}

func (u *unheard) note(s *silence) {
	if err := u.store.keep(func(known *state) { known.Silence = s }); err != nil {
		u.log.Warn("for how long nobody has heard this VM can't be noted", "error", err)
	}
}
