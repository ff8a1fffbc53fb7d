package dcm

import (
	"context"
	"time"
)

// RateLimit is what a provider's answer says of its limit on requests.
type RateLimit struct {
	// Limit is how many requests fit at most, Remaining how many are left.
	Limit     int
	Remaining int
	// Interval is how long it takes for one more to come back.
	Interval time.Duration
	// Blocked is how long nothing may be asked at all; 0 for not.
	Blocked time.Duration
}

// RateOwner says whose limit a request counts against: an account's, at a
// provider. Tenant is "" for the platform's account. The zero value stands for
// a credential that is nobody's yet.
type RateOwner struct {
	Tenant   TenantID
	Provider string
	Account  AccountID
}

// RateUse is what requests are for: who is let through first when few are left.
type RateUse string

// The uses. What stops money comes before what costs some: a release that
// somebody waits for may take the last request, a launch leaves some for
// releases, and the sweeps leave a share for both.
const (
	RateRelease RateUse = "release"
	RateLaunch  RateUse = "launch"
	RateOverdue RateUse = "overdue"
	RateOrphans RateUse = "orphans"
)

// RateBudget is what is known of a credential's limit on requests: a bucket
// that is full at FullAt, and until then has as many requests less than Limit
// as there are Intervals to go. The zero value is a limit of which nothing is
// known: nobody is held up by it.
//
// While requests are plenty, only the sweeps write down what they take. What is
// known is therefore an upper bound, which the provider's own answers correct.
//
// The sweeps have an allowance within it, of a launch's floor in size, that
// has three of four requests that come back, as the end of a VM takes three and
// a launch one, and is full at AllowanceFullAt. It is what launches can't
// take from them, and what they can take from launches, however many of either
// there are: neither starves the other.
type RateBudget struct {
	Limit           int
	Interval        time.Duration
	FullAt          time.Time
	AllowanceFullAt time.Time
	// BlockedUntil is when the provider will listen again.
	BlockedUntil time.Time
	// Version counts the writes of it.
	Version int64
}

// RateBucket is one credential's budget, as every function shares it.
type RateBucket interface {
	// Read returns the budget, the zero value if there is none yet.
	Read(ctx context.Context) (RateBudget, error)
	// Take takes from the budget, which was known as it is passed in the last
	// time anybody looked, in one conditional write. It returns the budget
	// afterwards and how many requests were granted: 0 if fewer than t.Least.
	Take(ctx context.Context, known RateBudget, t RateTake) (RateBudget, int, error)
	// Learn writes down what a provider said, if that is news.
	Learn(ctx context.Context, known RateBudget, said RateLimit, now time.Time) (RateBudget, error)
}

// RateTake asks for at least Least requests, and up to Most.
type RateTake struct {
	Use   RateUse
	Least int
	Most  int
	Now   time.Time
}

// leastAllowance is one release: look for the server, delete it, confirm.
const leastAllowance = 3

// Known reports whether anything is known of the limit.
func (b RateBudget) Known() bool { return b.Limit > 0 && b.Interval > 0 }

// Left is how many requests are left; less than 0 after a block.
func (b RateBudget) Left(now time.Time) int { return b.Limit - missing(b.FullAt, b.Interval, now) }

// missing is how many requests have yet to come back.
func missing(fullAt time.Time, interval time.Duration, now time.Time) int {
	if !fullAt.After(now) {
		return 0
	}
	return int((fullAt.Sub(now) + interval - 1) / interval)
}

// floor is how many requests a use leaves for others.
func (b RateBudget) floor(u RateUse) int {
	switch u {
	case RateLaunch:
		return b.allowance()
	case RateOverdue:
		return b.Limit * 3 / 10
	case RateOrphans:
		return b.Limit / 2
	default:
		return 0
	}
}

// allowance is how many requests the sweeps may make below their floor.
func (b RateBudget) allowance() int { return min(max(b.Limit/10, leastAllowance), b.Limit) }

// allowanceInterval gives the sweeps three quarters of what comes back: were it
// less, more could be launched than can be ended.
func (b RateBudget) allowanceInterval() time.Duration { return b.Interval * 4 / 3 }

// allowed is how much of the allowance a use may take: what is known to cost
// money comes before the search for what may.
func (b RateBudget) allowed(u RateUse) int {
	switch u {
	case RateOverdue:
		return b.allowance()
	case RateOrphans:
		return (b.allowance() + 1) / 2
	default:
		return 0
	}
}

// Wait is how long it takes until the use may make n requests; 0 for now.
func (b RateBudget) Wait(u RateUse, n int, now time.Time) time.Duration {
	blocked := max(0, b.BlockedUntil.Sub(now))
	if !b.Known() {
		return blocked
	}
	wait := until(b.FullAt, b.Interval, b.Limit, n+b.floor(u), now)
	if n <= b.allowed(u) {
		there := until(b.FullAt, b.Interval, b.Limit, n, now)
		allowed := until(b.AllowanceFullAt, b.allowanceInterval(), b.allowance(), b.allowance()-b.allowed(u)+n, now)
		wait = min(wait, max(there, allowed))
	}
	return max(blocked, wait)
}

// until is how long it takes until a bucket holds n requests, or all it can.
func until(fullAt time.Time, interval time.Duration, size, n int, now time.Time) time.Duration {
	lacking := time.Duration(size-min(n, size)) * interval
	return max(0, fullAt.Add(-lacking).Sub(now))
}

// Take returns the budget after t, and how many requests were granted.
func (b RateBudget) Take(t RateTake) (RateBudget, int) {
	if !b.Known() || b.Wait(t.Use, t.Least, t.Now) > 0 {
		return b, 0
	}
	n, most := t.Least, min(t.Most, b.Limit-b.floor(t.Use))
	for n < most && b.Wait(t.Use, n+1, t.Now) == 0 {
		n++
	}
	if until(b.FullAt, b.Interval, b.Limit, n+b.floor(t.Use), t.Now) > 0 {
		b.AllowanceFullAt = later(b.AllowanceFullAt, t.Now).Add(time.Duration(n) * b.allowanceInterval())
	}
	b.FullAt = later(b.FullAt, t.Now).Add(time.Duration(n) * b.Interval)
	b.Version++
	return b, n
}

// Learn returns the budget corrected by what the provider said, and whether that
// is news which the others must know: that it blocks; or that clearly fewer
// requests are left than they think, and so few that it matters.
func (b RateBudget) Learn(said RateLimit, now time.Time) (RateBudget, bool) {
	news := false
	if until := now.Add(said.Blocked); said.Blocked > 0 && until.After(b.BlockedUntil.Add(time.Second)) {
		b.BlockedUntil, news = until, true
	}
	if said.Limit <= 0 || said.Interval <= 0 {
		if news {
			b.Version++
		}
		return b, news
	}
	known := said.Limit
	if b.Known() {
		known = b.Left(now)
	}
	step := max(1, said.Limit/50)
	news = news || said.Remaining < said.Limit/2 && said.Remaining <= known-step
	if !news {
		return b, false
	}
	if b.Limit != said.Limit || b.Interval != said.Interval {
		b.Limit, b.Interval, b.FullAt = said.Limit, said.Interval, time.Time{}
	}
	b.FullAt = later(b.FullAt, now.Add(time.Duration(said.Limit-said.Remaining)*said.Interval))
	b.Version++
	return b, true
}

// Assume is the budget with the limit that the provider said, where none was
// known: nothing has been taken from it that anybody wrote down.
func (b RateBudget) Assume(said RateLimit, now time.Time) RateBudget {
	if b.Known() || said.Limit <= 0 || said.Interval <= 0 {
		return b
	}
	b.Limit, b.Interval = said.Limit, said.Interval
	b.FullAt = now.Add(time.Duration(said.Limit-said.Remaining) * said.Interval)
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
