package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// ForUsers makes a provider for the functions that people and VMs wait for. It
// makes no call of its own unless there is news.
func ForUsers(c Common, p dcm.Provider) dcm.Provider { return &limited{p, userGate{c}} }

type userGate struct{ Common }

func (g userGate) enter(ctx context.Context, c dcm.Credential, n need) (func(int, dcm.RateLimit), error) {
	if n.requests > 0 {
		if wait := c.Rate.Wait(dcm.RateRelease, n.requests, g.Clock.Now()); wait > 0 {
			return nil, exhausted(n, c, wait)
		}
	}
	return func(_ int, said dcm.RateLimit) { g.learn(ctx, c.Owner, c.Rate, said) }, nil
}

// launchRequests are what a launch has to find: the order, and one more for the
// offer after it or the server of a lost answer.
const launchRequests = 2

// maySpend refuses a launch while nothing exists of it yet, if the provider
// would only refuse it later.
func (l *Launcher) maySpend(c dcm.Credential) error {
	wait := c.Rate.Wait(dcm.RateLaunch, launchRequests, l.Clock.Now())
	if wait <= 0 {
		return nil
	}
	wait = min(max(wait, time.Second), longestLimit)
	e := dcm.Errorf(dcm.CodeRateLimited, "%s is limiting our requests, and nothing was created; try again in %s",
		c.Owner.Provider, inWords(wait))
	e.RetryAfter = wait
	return e
}

// inWords is a duration as people say it, rounded up.
func inWords(d time.Duration) string {
	seconds := int((d + time.Second - 1) / time.Second)
	switch {
	case seconds <= 1:
		return "a second"
	case seconds < 120:
		return fmt.Sprintf("%d seconds", seconds)
	default:
		return fmt.Sprintf("%d minutes", (seconds+59)/60)
	}
}
