// Package idle decides whether anybody works in a workspace, from five signals,
// each with its last time: terminal input, HTTP through the gateway, SSH
// sessions, files changed, CPU used. Being alive is not work, and output alone
// is not input.
package idle

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Signal is one of the five.
type Signal int

// The signals.
const (
	Terminal Signal = iota
	HTTP
	SSH
	Files
	CPU
	signals
)

// quietAfter is how long without a sign of work counts as a pause, and not as
// thinking between two keystrokes.
const quietAfter = 2 * time.Minute

// neededSamples is how many samples in a row must find nobody.
const neededSamples = 2

// Sampler looks for a signal since it last looked. With must it looks however
// much that costs; otherwise it may answer that it did not, fresh false.
type Sampler interface {
	Sample(must bool) (active, fresh bool, err error)
}

// Monitor keeps the signals' times. Times are the clock's, so that they run on
// when the machine's wall clock is set, unless the clock is told otherwise.
type Monitor struct {
	clock    dcm.Clock
	timeout  time.Duration
	interval time.Duration
	samplers map[Signal]Sampler
	log      *slog.Logger

	mu     sync.Mutex
	last   [signals]time.Time
	began  time.Time
	latest time.Time // of the last sample
	streak int
	failed map[Signal]bool
}

// New starts the idle clock. Sample is to be called every interval.
func New(clock dcm.Clock, timeout, interval time.Duration, samplers map[Signal]Sampler, log *slog.Logger) *Monitor {
	now := clock.Now()
	return &Monitor{
		clock: clock, timeout: timeout, interval: interval, samplers: samplers, log: log,
		began: now, latest: now, failed: map[Signal]bool{},
	}
}

// Touch notes a signal.
func (m *Monitor) Touch(s Signal) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[s] = now
}

// Sample looks for every signal, and reports whether nobody has worked for the
// timeout. It takes two samples in a row that find so, neither of them across a
// jump of the clock: what happens next decides, not what the clock says.
func (m *Monitor) Sample() bool {
	now := m.clock.Now()
	m.mu.Lock()
	gap := now.Sub(m.latest)
	m.latest = now
	m.settle(now)
	must := m.quiet(now)
	m.mu.Unlock()

	jumped := gap < 0 || gap > 3*m.interval+5*time.Second
	fresh := true
	for s, sampler := range m.samplers {
		active, looked, err := sampler.Sample(must)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			continue // this system has no such signal
		case err != nil:
			// Nobody knows, so nobody is sent away. ExpiresAt bounds it.
			m.report(s, err)
			fresh = false
			continue
		}
		m.report(s, nil)
		fresh = fresh && looked
		if active {
			m.Touch(s)
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if jumped || !fresh || !m.quiet(m.clock.Now()) {
		m.streak = 0
		return false
	}
	m.streak++
	return m.streak >= neededSamples
}

// settle brings times that lie in the future, after the clock was set back,
// into the present.
func (m *Monitor) settle(now time.Time) {
	if m.began.After(now) {
		m.began = now
	}
	for s := range m.last {
		if m.last[s].After(now) {
			m.last[s] = now
		}
	}
}

// quiet reports whether the timeout has passed since the last sign.
func (m *Monitor) quiet(now time.Time) bool { return now.Sub(m.since()) >= m.timeout }

// since is the last sign of work, or the beginning.
func (m *Monitor) since() time.Time {
	since := m.began
	for _, t := range m.last {
		if t.After(since) {
			since = t
		}
	}
	return since
}

// report logs when a signal can't be read, once, and when it can be again.
func (m *Monitor) report(s Signal, err error) {
	if m.failed[s] == (err != nil) {
		return
	}
	m.failed[s] = err != nil
	if err != nil {
		m.log.Warn("a sign of work can't be read; the VM does not count as idle", "signal", s.String(), "error", err)
	} else {
		m.log.Info("a sign of work can be read again", "signal", s.String())
	}
}

// State returns the signals' times and, if there has been no sign for a while,
// since when. The times are copies.
func (m *Monitor) State() (dcm.Signals, *time.Time) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	at := func(s Signal) *time.Time {
		if m.last[s].IsZero() {
			return nil
		}
		t := m.last[s]
		return &t
	}
	s := dcm.Signals{Terminal: at(Terminal), HTTP: at(HTTP), SSH: at(SSH), Files: at(Files), CPU: at(CPU)}
	since := m.since()
	if now.Sub(since) < min(quietAfter, m.timeout/2) {
		return s, nil
	}
	return s, &since
}

// String names the signal as the API does.
func (s Signal) String() string {
	return [...]string{"terminal", "http", "ssh", "files", "cpu"}[s]
}
