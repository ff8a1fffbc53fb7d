package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// grantMost is how many requests a sweep takes at once: enough that the
	// books cost little, few enough that what a crash forgets is little.
	grantMost = 20
	// grantLife is how long they are good. What is not used by then comes back
	// in the bucket, where all can see it.
	grantLife = time.Minute
	// maxGrants bounds what a function keeps for tenants with own accounts.
	maxGrants = 1000
	// releaseRequests are what the end of a VM takes: look, delete, confirm.
	releaseRequests = 3
)

// ForSweeps makes a provider for a sweep. It takes from the credential's budget
// before it asks, and when there is nothing to take it makes no call at all.
func ForSweeps(c Common, use dcm.RateUse, p dcm.Provider) dcm.Provider {
	return &limited{p, &sweepGate{Common: c, use: use, grants: map[dcm.RateOwner]*grant{}}}
}

type sweepGate struct {
	Common
	use dcm.RateUse

	mu     sync.Mutex
	grants map[dcm.RateOwner]*grant
}

// grant is what a sweep has of one credential's budget.
type grant struct {
	mu     sync.Mutex
	budget dcm.RateBudget
	left   int
	until  time.Time
	// promised are the servers whose deletion is still to be confirmed, with a
	// request that was taken for it, and until when that is good.
	promised map[string]time.Time
	// learning is open while one call finds out the limit, of which nothing is
	// known; silent says until when a provider that says nothing is believed to
	// have none.
	learning chan struct{}
	silent   time.Time
	// none says that nothing is granted before then, and queue how many
	// requests of others wait for that already.
	none  time.Time
	queue int
}

func (g *sweepGate) of(c dcm.Credential) *grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.grants) >= maxGrants {
		clear(g.grants)
	}
	if g.grants[c.Owner] == nil {
		g.grants[c.Owner] = &grant{promised: map[string]time.Time{}}
	}
	return g.grants[c.Owner]
}

func (g *sweepGate) enter(ctx context.Context, c dcm.Credential, n need) (func(int, dcm.RateLimit), error) {
	own := g.of(c)
	for {
		learning, err := g.try(ctx, own, c, n)
		if err != nil {
			return nil, err
		}
		if learning == nil {
			return func(made int, said dcm.RateLimit) { g.leave(ctx, own, c, made, said) }, nil
		}
		select {
		case <-learning:
		case <-ctx.Done():
			return nil, unreadable(n, ctx.Err())
		}
	}
}

// try lets a call through or refuses it; or it returns what to wait for: another
// call, whose answer says what the limit is.
func (g *sweepGate) try(ctx context.Context, own *grant, c dcm.Credential, n need) (learning <-chan struct{}, err error) {
	own.mu.Lock()
	defer own.mu.Unlock()
	now := g.Clock.Now()
	if own.spend(n, now) {
		return nil, nil
	}
	if now.Before(own.none) {
		return nil, exhausted(n, c, own.turn(now))
	}
	if own.learning != nil {
		return own.learning, nil
	}
	if err := g.inform(ctx, own, c); err != nil {
		return nil, unreadable(n, err)
	}
	least := max(n.requests, 1)
	if !own.budget.Known() && own.budget.Wait(g.use, least, now) == 0 {
		if !now.Before(own.silent) {
			own.learning = make(chan struct{})
		}
		return nil, nil
	}
	after, granted, err := g.bucket(c.Owner).Take(ctx, own.budget, dcm.RateTake{Use: g.use, Least: least, Most: grantMost, Now: now})
	if err != nil {
		return nil, unreadable(n, err)
	}
	own.budget = after
	if granted == 0 {
		own.none = now.Add(max(after.Wait(g.use, least, now), time.Second))
		return nil, exhausted(n, c, own.turn(now))
	}
	own.left, own.until, own.queue = own.left+granted, now.Add(grantLife), 0
	own.spend(n, now)
	return nil, nil
}

// spend takes what a call needs of the grant, if it is there.
func (own *grant) spend(n need, now time.Time) bool {
	if n.confirm && own.promised[n.server].After(now) {
		delete(own.promised, n.server)
		return true
	}
	if !now.Before(own.until) {
		own.left = 0
		clear(own.promised)
	}
	least := max(n.requests, 1)
	if own.left < least {
		return false
	}
	own.left -= least
	if least > 1 {
		own.promised[n.server] = now.Add(grantLife)
	}
	return true
}

// inform makes sure that the budget is known as well as can be without a call,
// and with one if it was never read.
func (g *sweepGate) inform(ctx context.Context, own *grant, c dcm.Credential) (err error) {
	if c.Rate.Version > own.budget.Version {
		own.budget = c.Rate
	}
	if own.budget.Version == 0 && !own.budget.Known() && !g.Clock.Now().Before(own.silent) {
		own.budget, err = g.bucket(c.Owner).Read(ctx)
	}
	return err
}

// turn is how long the next in the queue waits: whoever is put off comes back
// when it is its turn, and not all at once to be put off again.
func (own *grant) turn(now time.Time) time.Duration {
	wait := own.none.Sub(now) + time.Duration(own.queue)*own.budget.Interval
	own.queue += releaseRequests
	return min(wait, longestLimit)
}

func (g *sweepGate) leave(ctx context.Context, own *grant, c dcm.Credential, made int, said dcm.RateLimit) {
	own.mu.Lock()
	defer own.mu.Unlock()
	now := g.Clock.Now()
	own.left = max(0, own.left-(made-1))
	if own.learning != nil {
		close(own.learning)
		own.learning, own.silent = nil, now.Add(grantLife)
	}
	before := own.budget.Version
	own.budget = g.learn(ctx, c.Owner, own.budget, said).Assume(said, now)
	switch {
	case said.Blocked > 0:
		own.left, own.none = 0, now.Add(said.Blocked)
		clear(own.promised)
	case own.budget.Version > before && own.budget.Wait(g.use, 1, now) > 0:
		// Others have used what was granted here.
		own.left = 0
	}
}

func unreadable(n need, err error) error {
	return &dcm.ProviderError{
		Kind: dcm.KindUnavailable, Op: n.op, Message: "whether there are requests left could not be read",
		Err: fmt.Errorf("the credential's rate budget: %w", err),
	}
}
