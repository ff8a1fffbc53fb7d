package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Providers limit how much one credential may ask of them, and all functions and
// tenants that share it share the limit. What follows stands between the
// lifecycle and a provider, and keeps to the credential's dcm.RateBudget.
//
// Functions that people wait for write nothing while requests are plenty: they
// know the budget from the read they make anyway, and tell the others only what
// is news. Sweeps take from the budget before they ask, some requests at a time.
// So whoever is served least often, and could be starved, is who keeps the books.

// gate lets requests through, or not.
type gate interface {
	// enter asks for the requests that a call needs. It returns a
	// *dcm.ProviderError of KindRateLimited if they must wait. Whoever is let
	// through tells leave how many requests were made, and what the last answer
	// said.
	enter(ctx context.Context, c dcm.Credential, n need) (leave func(made int, said dcm.RateLimit), err error)
}

// need is what a call needs.
type need struct {
	op       string
	requests int
	// server is whose deletion is asked for, and confirmed with a request of the
	// same need: a deletion that can't be confirmed is to be done again.
	server  string
	confirm bool
}

// limited is a provider behind a gate. Credentials that are no account's yet
// pass: their holder has them checked.
type limited struct {
	dcm.Provider
	gate gate
}

// CreateVM is one request. Whether there is one was asked before the intent was
// written.
func (l *limited) CreateVM(ctx context.Context, c dcm.Credential, r dcm.ServerRequest) (dcm.Server, error) {
	return through(ctx, l, c, need{op: "create server"}, func(c dcm.Credential) (dcm.Server, error) {
		return l.Provider.CreateVM(ctx, c, r)
	})
}

// DeleteVM asks for two requests, of which one is kept for GetVM to confirm.
func (l *limited) DeleteVM(ctx context.Context, c dcm.Credential, id string) error {
	_, err := through(ctx, l, c, need{op: "delete server", requests: 2, server: id}, func(c dcm.Credential) (struct{}, error) {
		return struct{}{}, l.Provider.DeleteVM(ctx, c, id)
	})
	return err
}

// GetVM is one request.
func (l *limited) GetVM(ctx context.Context, c dcm.Credential, ref dcm.ServerRef) (*dcm.Server, error) {
	return through(ctx, l, c, need{op: "get server", requests: 1, server: ref.ID, confirm: true}, func(c dcm.Credential) (*dcm.Server, error) {
		return l.Provider.GetVM(ctx, c, ref)
	})
}

// StartVM is one request.
func (l *limited) StartVM(ctx context.Context, c dcm.Credential, id string) error {
	_, err := through(ctx, l, c, need{op: "start server", requests: 1}, func(c dcm.Credential) (struct{}, error) {
		return struct{}{}, l.Provider.StartVM(ctx, c, id)
	})
	return err
}

// ListVMs is one request or more, which are counted afterwards.
func (l *limited) ListVMs(ctx context.Context, c dcm.Credential, labels map[string]string) ([]dcm.Server, error) {
	return through(ctx, l, c, need{op: "list servers", requests: 1}, func(c dcm.Credential) ([]dcm.Server, error) {
		return l.Provider.ListVMs(ctx, c, labels)
	})
}

// SizeOptions is part of a launch, as CreateVM.
func (l *limited) SizeOptions(ctx context.Context, c dcm.Credential) ([]dcm.SizeOption, error) {
	return through(ctx, l, c, need{op: "list server types"}, func(c dcm.Credential) ([]dcm.SizeOption, error) {
		return l.Provider.SizeOptions(ctx, c)
	})
}

// through makes a call, if the gate lets it.
func through[T any](
	ctx context.Context, l *limited, c dcm.Credential, n need, call func(dcm.Credential) (T, error),
) (result T, err error) {
	if c.Owner == (dcm.RateOwner{}) {
		return call(c)
	}
	leave, err := l.gate.enter(ctx, c, n)
	if err != nil {
		return result, err
	}
	var said dcm.RateLimit
	made := 0
	c.Observe = func(s dcm.RateLimit) { said, made = s, made+1 }
	// Also if the call panics: others may wait for what it finds out.
	defer func() {
		if wait, is := limitWait(err); is {
			said.Blocked = wait
		}
		leave(max(made, 1), said)
	}()
	return call(c)
}

const (
	// vagueLimit is how long a service is left alone that says only that it is
	// being asked too much.
	vagueLimit = 30 * time.Second
	// longestLimit bounds what a service may ask for: limits refill by the hour.
	longestLimit = time.Hour
)

// limitWait reports whether a service, or a gate before it, refused because too
// much is asked of it, and how long to wait.
func limitWait(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*dcm.ProviderError](err)
	if !ok || e.Kind != dcm.KindRateLimited {
		return 0, false
	}
	if e.RetryAfter <= 0 {
		return vagueLimit, true
	}
	return min(e.RetryAfter, longestLimit), true
}

// exhausted is a gate's refusal.
func exhausted(n need, c dcm.Credential, wait time.Duration) error {
	return &dcm.ProviderError{
		Kind: dcm.KindRateLimited, Op: n.op, RetryAfter: max(wait, time.Second),
		Message: fmt.Sprintf("%s is limiting our requests", c.Owner.Provider),
	}
}

func (c Common) bucket(o dcm.RateOwner) dcm.RateBucket {
	if o.Account == dcm.PlatformAccount {
		return c.Store.PlatformRate(o.Provider)
	}
	return c.Store.Tenant(o.Tenant).AccountRate(o.Provider, o.Account)
}

// learnTimeout bounds what a user waits for the sake of others.
const learnTimeout = 2 * time.Second

// learn tells the others what a provider said, if it is news to them. A failure
// is theirs: they will hear it from the provider.
func (c Common) learn(ctx context.Context, o dcm.RateOwner, known dcm.RateBudget, said dcm.RateLimit) dcm.RateBudget {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), learnTimeout)
	defer cancel()
	after, err := c.bucket(o).Learn(ctx, known, said, c.Clock.Now())
	if err != nil {
		c.Log.WarnContext(ctx, "what is left of a provider's limit could not be noted", "provider", o.Provider, "tenant", o.Tenant, "error", err)
	}
	if said.Blocked > 0 {
		c.Meter.Count(dcm.MetricProviderLimited, 1)
	}
	return after
}
