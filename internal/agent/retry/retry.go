// Package retry repeats what may succeed later: exponential backoff with full
// jitter, so that a thousand agents do not return all at once.
package retry

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const defaultLongest = 5 * time.Minute

// Policy says how often and how long apart. The pause before try n+1 is drawn
// from [0, Base·2ⁿ], and never above Max.
type Policy struct {
	Base, Max time.Duration
	// Longest is the most that an error may ask to wait for: a server that asks for
	// more is mistaken. 0 is for five minutes.
	Longest time.Duration
	// Attempts bounds the tries; 0 means until the context ends.
	Attempts int
	// Transient reports whether an error is worth another try.
	Transient func(error) bool
}

// Waiter is an error that knows how long to wait before the next try, for
// example from a Retry-After header.
type Waiter interface {
	error
	RetryAfter() time.Duration
}

// Do calls try until it succeeds, fails for good, the attempts are spent or
// ctx ends. It returns the last error of try; if ctx ended before any, ctx's.
func (p Policy) Do(ctx context.Context, try func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := try(ctx)
		if err == nil || !p.Transient(err) || p.Attempts > 0 && attempt+1 >= p.Attempts {
			return err
		}
		if dcm.Sleep(ctx, p.Pause(attempt, err)) != nil {
			return err
		}
	}
}

// Pause is how long to wait after the failed try number attempt, counted from
// 0. What the error itself asks for is a lower bound.
func (p Policy) Pause(attempt int, err error) time.Duration {
	ceiling := p.Max
	if attempt < 20 {
		ceiling = min(p.Max, p.Base<<attempt)
	}
	pause := time.Duration(0)
	if ceiling > 0 {
		pause = rand.N(ceiling + 1)
	}
	if w, ok := errors.AsType[Waiter](err); ok {
		pause = max(pause, min(w.RetryAfter(), cmp.Or(p.Longest, defaultLongest)))
	}
	return pause
}
