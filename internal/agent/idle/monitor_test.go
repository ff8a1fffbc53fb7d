package idle_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/idle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	timeout  = 30 * time.Minute
	interval = 15 * time.Second
)

// jumpy is a clock that can be moved, over synctest's.
type jumpy struct{ ahead time.Duration }

func (j *jumpy) Now() time.Time { return dcm.SystemClock{}.Now().Add(j.ahead) }

// scripted is a sampler that says what it is told.
type scripted struct {
	active, stale bool
	err           error
	musts         int
}

func (s *scripted) Sample(must bool) (active, fresh bool, err error) {
	if must {
		s.musts++
	}
	return s.active, !s.stale, s.err
}

type scene struct {
	clock    *jumpy
	samplers map[idle.Signal]*scripted
	*idle.Monitor
}

func newScene() *scene {
	s := &scene{clock: &jumpy{}, samplers: map[idle.Signal]*scripted{}}
	samplers := map[idle.Signal]idle.Sampler{}
	for _, signal := range []idle.Signal{idle.SSH, idle.Files, idle.CPU} {
		s.samplers[signal] = &scripted{}
		samplers[signal] = s.samplers[signal]
	}
	s.Monitor = idle.New(s.clock, timeout, interval, samplers, slog.New(slog.DiscardHandler))
	return s
}

// pass lets time pass, with samples, and returns when it counted as idle.
func (s *scene) pass(d time.Duration, meanwhile func()) (idleAfter time.Duration) {
	began := time.Now()
	for time.Since(began) < d {
		time.Sleep(interval)
		if meanwhile != nil {
			meanwhile()
		}
		if s.Sample() {
			return time.Since(began)
		}
	}
	return 0
}

func TestIdleAfterTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		if at := s.pass(time.Hour, nil); at < timeout || at > timeout+2*interval {
			t.Errorf("idle after %v", at)
		}
		signals, since := s.State()
		if since == nil || signals.Latest() != nil {
			t.Errorf("signals %+v, idle since %v", signals, since)
		}
	})
}

func TestEverySignalKeepsIt(t *testing.T) {
	t.Parallel()
	for _, signal := range []idle.Signal{idle.Terminal, idle.HTTP, idle.SSH, idle.Files, idle.CPU} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				work := func() {
					if sampler := s.samplers[signal]; sampler != nil {
						sampler.active = true
					} else {
						s.Touch(signal)
					}
				}
				if at := s.pass(3*time.Hour, work); at != 0 {
					t.Fatalf("idle after %v of work", at)
				}
				if _, since := s.State(); since != nil {
					t.Errorf("idle since %v while working", since)
				}
				if sampler := s.samplers[signal]; sampler != nil {
					sampler.active = false
				}
				if at := s.pass(time.Hour, nil); at < timeout-interval || at > timeout+2*interval {
					t.Errorf("idle %v after the work ended", at)
				}
			})
		})
	}
}

func TestJumpOfTheClock(t *testing.T) {
	t.Parallel()
	t.Run("an idle VM needs two samples more", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.pass(time.Minute, nil)
			s.clock.ahead = 40 * time.Minute
			for n, want := range []bool{false, false, true} {
				time.Sleep(interval)
				if got := s.Sample(); got != want {
					t.Errorf("sample %d after the jump says idle: %v", n+1, got)
				}
			}
		})
	})
	t.Run("work right after it counts", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.pass(time.Minute, nil)
			s.clock.ahead = 40 * time.Minute
			time.Sleep(interval)
			s.Sample()
			s.Touch(idle.Terminal)
			if at := s.pass(time.Hour, nil); at < timeout-interval {
				t.Errorf("idle %v after a key was pressed", at)
			}
		})
	})
	t.Run("backwards it takes nothing for the future", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.Touch(idle.HTTP)
			s.clock.ahead = -5 * time.Hour
			if at := s.pass(2*time.Hour, nil); at == 0 || at > timeout+3*interval {
				t.Errorf("idle after %v", at)
			}
		})
	})
}

func TestUncertaintyIsNotIdleness(t *testing.T) {
	t.Parallel()
	for name, doubt := range map[string]scripted{
		"a signal that can't be read":   {err: errors.New("no")},
		"a signal that was not read":    {stale: true},
		"but not one that can't exist.": {err: errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				*s.samplers[idle.Files] = doubt
				at := s.pass(2*time.Hour, nil)
				if unsupported := errors.Is(doubt.err, errors.ErrUnsupported); (at != 0) != unsupported {
					t.Errorf("idle after %v", at)
				}
				if s.samplers[idle.Files].musts == 0 {
					t.Error("nobody insisted")
				}
			})
		})
	}
}
