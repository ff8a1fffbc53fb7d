package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// said is a limit of a thousand requests, one a second, of which some are left.
func said(left int) dcm.RateLimit {
	return dcm.RateLimit{Limit: 1000, Remaining: left, Interval: time.Second}
}

// buckets are all kinds of rate budgets there are.
func (s *subject) buckets(t *testing.T) map[string]dcm.RateBucket {
	t.Helper()
	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-h1", "hetzner", s.clock.Now()), ""))
	return map[string]dcm.RateBucket{
		"the platform's": s.PlatformRate("hetzner"),
		"a tenant's own": s.acme().AccountRate("hetzner", "ac-h1"),
	}
}

// rate: what one learns of a limit, everybody reads, in the reads they make
// anyway; and what one takes is taken from all.
func rate(t *testing.T, s *subject) {
	for name, bucket := range s.buckets(t) {
		now := s.clock.Now()
		unknown, err := bucket.Read(t.Context())
		must(t, err)
		wantEqual(t, unknown, dcm.RateBudget{})
		same, err := bucket.Learn(t.Context(), unknown, said(900), now)
		must(t, err)
		wantEqual(t, same, unknown)

		learnt, err := bucket.Learn(t.Context(), unknown, said(400), now)
		must(t, err)
		wantEqual(t, learnt.Left(now), 400)
		read, err := bucket.Read(t.Context())
		must(t, err)
		wantEqual(t, read, learnt)

		// Who knows it as it was is corrected.
		take := dcm.RateTake{Use: dcm.RateOverdue, Least: 1, Most: 20, Now: now}
		after, granted, err := bucket.Take(t.Context(), unknown.Assume(said(999), now), take)
		must(t, err)
		if granted != 20 || after.Left(now) != 380 {
			t.Errorf("%s: granted %d, left %d", name, granted, after.Left(now))
		}
		// A floor is not gone below.
		take.Use, take.Least = dcm.RateOrphans, 200
		if _, granted, err := bucket.Take(t.Context(), after, take); err != nil || granted != 0 {
			t.Errorf("%s: granted %d below the floor, %v", name, granted, err)
		}
		read, err = bucket.Read(t.Context())
		must(t, err)
		wantEqual(t, read, after)
	}
}

// rateRead: launches and releases read both budgets along.
func rateRead(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	now := s.clock.Now()
	rates := map[string]dcm.RateBudget{}
	for name, bucket := range s.buckets(t) {
		learnt, err := bucket.Learn(t.Context(), dcm.RateBudget{}, said(len(name)), now)
		must(t, err)
		rates[name] = learnt
	}
	known, err := s.acme().LaunchContext(t.Context(), "", "")
	must(t, err)
	gotVM, accounts, err := s.acme().ReleaseContext(t.Context(), vm.ID)
	must(t, err)
	wantEqual(t, gotVM, vm)
	for _, a := range []dcm.TenantAccounts{known.Accounts, accounts} {
		wantEqual(t, a.PlatformRates, map[string]dcm.RateBudget{"hetzner": rates["the platform's"]})
		wantEqual(t, a.Providers["hetzner"].Rate, rates["a tenant's own"])
	}
	_, _, err = s.acme().ReleaseContext(t.Context(), "vm-2222222222")
	wantCode(t, err, dcm.CodeNotFound)
}

// rateOfAccount: a budget is the account's. A new token leaves it as it is; with
// another account it starts anew, and the one before can't be written.
func rateOfAccount(t *testing.T, s *subject) {
	bucket, now := s.buckets(t)["a tenant's own"], s.clock.Now()
	learnt, err := bucket.Learn(t.Context(), dcm.RateBudget{}, said(100), now)
	must(t, err)
	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-h1", "hetzner", now), "ac-h1"))
	read, err := bucket.Read(t.Context())
	must(t, err)
	wantEqual(t, read, learnt)

	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-h2", "hetzner", now), "ac-h1"))
	read, err = s.acme().AccountRate("hetzner", "ac-h2").Read(t.Context())
	must(t, err)
	wantEqual(t, read, dcm.RateBudget{})
	_, err = bucket.Learn(t.Context(), learnt, said(10), now)
	wantCode(t, err, dcm.CodeNotFound)
	read, err = s.Tenant(other).AccountRate("hetzner", "ac-h2").Read(t.Context())
	must(t, err)
	wantEqual(t, read, dcm.RateBudget{})
}

// raceForRate: many functions take at once, from what they knew a while ago.
// Together they never get more than there was above the floor, and the sweeps'
// allowance below it.
func raceForRate(t *testing.T, s *subject) {
	for name, bucket := range s.buckets(t) {
		now := s.clock.Now()
		known := dcm.RateBudget{}.Assume(said(360), now)
		var sum atomic.Int64
		errs := race(12, func(int) error {
			for b := known; ; {
				after, granted, err := bucket.Take(t.Context(), b, dcm.RateTake{Use: dcm.RateOverdue, Least: 1, Most: 20, Now: now})
				if err != nil || granted == 0 {
					return err
				}
				sum.Add(int64(granted))
				b = after
			}
		})
		winners(t, errs, func(error) bool { return false })
		read, err := bucket.Read(t.Context())
		must(t, err)
		// 60 above the floor of 300, and the allowance of 100.
		if sum.Load() != 160 || read.Left(now) != 200 {
			t.Errorf("%s: granted %d, left %d", name, sum.Load(), read.Left(now))
		}
	}
}
