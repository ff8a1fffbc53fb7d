package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
)

var errBusy = errors.New("busy")

type busyFor time.Duration

func (busyFor) Error() string               { return "busy" }
func (b busyFor) RetryAfter() time.Duration { return time.Duration(b) }

func policy() retry.Policy {
	return retry.Policy{Base: time.Second, Max: 10 * time.Second, Transient: func(err error) bool { return err != context.Canceled }}
}

func TestDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		err := policy().Do(t.Context(), func(context.Context) error {
			if n++; n < 5 {
				return errBusy
			}
			return nil
		})
		if err != nil || n != 5 {
			t.Errorf("%d tries, %v", n, err)
		}
		p := policy()
		p.Attempts, n = 3, 0
		if err := p.Do(t.Context(), func(context.Context) error { n++; return errBusy }); !errors.Is(err, errBusy) || n != 3 {
			t.Errorf("%d tries, %v", n, err)
		}
		n = 0
		if err := policy().Do(t.Context(), func(context.Context) error { n++; return context.Canceled }); n != 1 || err == nil {
			t.Errorf("%d tries, %v", n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := policy().Do(ctx, func(context.Context) error { return errBusy }); !errors.Is(err, errBusy) || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	for attempt := range 100 {
		ceiling := min(10*time.Second, time.Second<<min(attempt, 10))
		for range 50 {
			if d := policy().Pause(attempt, errBusy); d < 0 || d > ceiling {
				t.Fatalf("pause %d is %v", attempt, d)
			}
		}
	}
	if d := policy().Pause(0, busyFor(time.Minute)); d != time.Minute {
		t.Errorf("asked for a minute, it is %v", d)
	}
	if d := policy().Pause(0, busyFor(time.Hour)); d > 5*time.Minute {
		t.Errorf("asked for an hour, it is %v", d)
	}
	p := policy()
	if p.Longest = time.Hour; p.Pause(0, busyFor(2*time.Hour)) != time.Hour || p.Pause(0, busyFor(time.Minute)) != time.Minute {
		t.Error("it does not wait as it was told")
	}
}
