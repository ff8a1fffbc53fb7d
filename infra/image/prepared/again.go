package prepared

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

const (
	// callTimeout bounds one call.
	callTimeout = 30 * time.Second
	// againTimeout is for how long a call that fails is made again. A project's
	// requests come back one a second, so that no limit lasts as long.
	againTimeout = 10 * time.Minute
	maxPause     = 30 * time.Second
)

// again makes a call until it is decided: what may pass, an outage, a limit, or a
// lock, is waited for. A call that changes something must find out by itself
// whether an earlier try, whose answer was lost, has done so.
func (w *Workshop) again(ctx context.Context, what string, call func(ctx context.Context) error) error {
	until := w.Clock.Now().Add(againTimeout)
	for pause := time.Second; ; pause = min(2*pause, maxPause) {
		err := w.once(ctx, call)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case !transient(err):
			return fmt.Errorf("%s: %w", what, err)
		case !w.Clock.Now().Add(pause).Before(until):
			return fmt.Errorf("%s: given up after %v: %w", what, againTimeout, err)
		}
		w.say("%s: %v; again in %v", what, err, pause)
		if err := w.Sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

func (w *Workshop) once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}

// final marks an error that another try would only meet again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// transient reports whether an error may pass by itself. One that is not the
// API's, such as a connection that dropped, may.
func transient(err error) bool {
	if _, is := errors.AsType[final](err); is {
		return false
	}
	api, is := errors.AsType[hcloud.Error](err)
	if !is {
		return true
	}
	switch api.Code {
	case hcloud.ErrorCodeRateLimitExceeded, hcloud.ErrorCodeConflict, hcloud.ErrorCodeLocked, hcloud.ErrorCodeResourceLocked,
		hcloud.ErrorCodeMaintenance, hcloud.ErrorCodeServiceError, hcloud.ErrorCodeUnknownError, hcloud.ErrorCodeTimeout,
		"server_error", "unavailable", "bad_gateway":
		return true
	default:
		return false
	}
}

// until polls until something holds. An error of holds ends the wait.
func (w *Workshop) until(ctx context.Context, what string, patience time.Duration, holds func(ctx context.Context) (bool, error)) error {
	end := w.Clock.Now().Add(patience)
	for {
		done := false
		err := w.again(ctx, what, func(ctx context.Context) (err error) {
			done, err = holds(ctx)
			return err
		})
		if err != nil || done {
			return err
		}
		if !w.Clock.Now().Add(pollInterval).Before(end) {
			return fmt.Errorf("%s: it took more than %v", what, patience)
		}
		if err := w.Sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
