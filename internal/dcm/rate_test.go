package dcm_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func rateNow() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) }

// hetznerLimit is the real one: 3600 an hour, one a second.
func hetznerLimit(left int) dcm.RateLimit {
	return dcm.RateLimit{Limit: 3600, Remaining: left, Interval: time.Second}
}

func TestRateWait(t *testing.T) {
	t.Parallel()
	now := rateNow()
	at := func(left int) dcm.RateBudget { return dcm.RateBudget{}.Assume(hetznerLimit(left), now) }
	spent := at(1080)
	spent.AllowanceFullAt = now.Add(720 * time.Second)
	blocked := at(3600)
	blocked.BlockedUntil = now.Add(time.Minute)
	for name, c := range map[string]struct {
		budget dcm.RateBudget
		use    dcm.RateUse
		n      int
		want   time.Duration
	}{
		"nothing known":                            {dcm.RateBudget{}, dcm.RateLaunch, 2, 0},
		"blocked, and nothing else known":          {dcm.RateBudget{BlockedUntil: now.Add(time.Second)}, dcm.RateRelease, 1, time.Second},
		"blocked, and full":                        {blocked, dcm.RateRelease, 1, time.Minute},
		"a release takes the last":                 {at(1), dcm.RateRelease, 1, 0},
		"a release waits for one":                  {at(0), dcm.RateRelease, 2, 2 * time.Second},
		"a launch above its floor":                 {at(362), dcm.RateLaunch, 2, 0},
		"a launch leaves the sweeps' allowance":    {at(361), dcm.RateLaunch, 2, time.Second},
		"overdue above the floor":                  {at(1083), dcm.RateOverdue, 3, 0},
		"overdue below it has the allowance":       {at(3), dcm.RateOverdue, 3, 0},
		"overdue with the allowance spent":         {spent, dcm.RateOverdue, 3, 3 * time.Second},
		"overdue, allowance there, requests not":   {at(0), dcm.RateOverdue, 3, 3 * time.Second},
		"orphans leave more":                       {at(1900), dcm.RateOrphans, 1, 0},
		"orphans below it have half the allowance": {at(100), dcm.RateOrphans, 180, 80 * time.Second},
		"orphans never have more of the allowance": {at(1000), dcm.RateOrphans, 181, 981 * time.Second},
		"more than ever fits asks for a full one":  {at(3599), dcm.RateRelease, 9999, time.Second},
	} {
		if got := c.budget.Wait(c.use, c.n, now); got != c.want {
			t.Errorf("%s: wait %v, want %v", name, got, c.want)
		}
	}
}

func TestRateLearn(t *testing.T) {
	t.Parallel()
	now := rateNow()
	known := dcm.RateBudget{}.Assume(hetznerLimit(1700), now)
	for name, c := range map[string]struct {
		budget dcm.RateBudget
		said   dcm.RateLimit
		news   bool
		left   int
	}{
		"plenty, nothing known":       {dcm.RateBudget{}, hetznerLimit(3599), false, 0},
		"few, nothing known":          {dcm.RateBudget{}, hetznerLimit(1700), true, 1700},
		"as one thought":              {known, hetznerLimit(1690), false, 1700},
		"clearly fewer":               {known, hetznerLimit(1600), true, 1600},
		"more: others have it":        {known, hetznerLimit(1790), false, 1700},
		"another limit, plenty of it": {known, dcm.RateLimit{Limit: 100, Remaining: 90, Interval: time.Second}, false, 1700},
		"another limit":               {known, dcm.RateLimit{Limit: 100, Remaining: 9, Interval: time.Second}, true, 9},
		"nothing said":                {known, dcm.RateLimit{}, false, 1700},
	} {
		got, news := c.budget.Learn(c.said, now)
		if news != c.news || got.Left(now) != c.left || (got.Version > c.budget.Version) != news {
			t.Errorf("%s: news %v, left %d, version %d", name, news, got.Left(now), got.Version)
		}
	}
	blocked, news := known.Learn(dcm.RateLimit{Blocked: time.Minute}, now)
	if !news || !blocked.BlockedUntil.Equal(now.Add(time.Minute)) {
		t.Errorf("a block: news %v, %+v", news, blocked)
	}
	if _, news := blocked.Learn(dcm.RateLimit{Blocked: time.Minute}, now); news {
		t.Error("the same block is news twice")
	}
}

// TestRateNeverStarves plays a day of a bucket that both launches and sweeps
// would empty all the time: neither is shut out, and together they never get
// more than there is.
func TestRateNeverStarves(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{4, 10, 100, 3600} {
		now := rateNow()
		random := rand.New(rand.NewPCG(4, uint64(limit)))
		interval := time.Hour / time.Duration(limit)
		b := dcm.RateBudget{Limit: limit, Interval: interval}
		taken := map[dcm.RateUse]int{}
		total, start := 0, now
		for range 20_000 {
			now = now.Add(time.Duration(random.Int64N(int64(interval))))
			for _, use := range []dcm.RateUse{dcm.RateLaunch, dcm.RateOverdue, dcm.RateOrphans} {
				least := 1 + random.IntN(2)
				after, n := b.Take(dcm.RateTake{Use: use, Least: least, Most: 20, Now: now})
				if n > 0 && (n < least || n > 20) || after.Left(now) < 0 {
					t.Fatalf("limit %d: granted %d of %d, left %d", limit, n, least, after.Left(now))
				}
				b = after
				taken[use] += n
				total += n
			}
		}
		back := int(now.Sub(start) / interval)
		if total > limit+back+1 {
			t.Errorf("limit %d: granted %d, there were %d", limit, total, limit+back)
		}
		if limit < 10 {
			continue // a floor of launches' next to the whole limit: who is first is first
		}
		for use, least := range map[dcm.RateUse]int{dcm.RateLaunch: back / 6, dcm.RateOverdue: back / 3} {
			if taken[use] < least {
				t.Errorf("limit %d: %s got %d of %d that came back", limit, use, taken[use], back)
			}
		}
	}
}
