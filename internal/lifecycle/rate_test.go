package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// rates is a store that holds nothing but one budget, in memory.
type rates struct {
	dcm.Store
	mu    sync.Mutex
	kept  dcm.RateBudget
	reads int
	takes int
}

func (r *rates) PlatformRate(string) dcm.RateBucket { return r }

func (r *rates) Read(context.Context) (dcm.RateBudget, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	return r.kept, nil
}

func (r *rates) Take(_ context.Context, known dcm.RateBudget, t dcm.RateTake) (dcm.RateBudget, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes++
	if r.kept.Version == 0 {
		r.kept = known
	}
	n := 0
	r.kept, n = r.kept.Take(t)
	return r.kept, n, nil
}

func (r *rates) Learn(_ context.Context, known dcm.RateBudget, said dcm.RateLimit, now time.Time) (dcm.RateBudget, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept.Version == 0 {
		r.kept = known
	}
	if after, news := r.kept.Learn(said, now); news {
		r.kept = after
		return after, nil
	}
	return known, nil
}

// limitedCloud is a provider with a limit of its own.
type limitedCloud struct {
	dcm.Provider
	left  atomic.Int64
	calls atomic.Int64
	// silent says nothing of the limit; fail is what a call comes to.
	silent bool
	fail   func() error
}

func (p *limitedCloud) answer(c dcm.Credential) error {
	p.calls.Add(1)
	time.Sleep(time.Millisecond)
	left := p.left.Add(-1)
	if !p.silent {
		c.Observe(dcm.RateLimit{Limit: 100, Remaining: int(max(left, 0)), Interval: time.Minute})
	}
	if p.fail != nil {
		return p.fail()
	}
	return nil
}

func (p *limitedCloud) GetVM(_ context.Context, c dcm.Credential, _ dcm.ServerRef) (*dcm.Server, error) {
	return nil, p.answer(c)
}

func (p *limitedCloud) DeleteVM(_ context.Context, c dcm.Credential, _ string) error {
	return p.answer(c)
}

type noMeter struct{}

func (noMeter) Count(dcm.Metric, int)            {}
func (noMeter) Lasted(dcm.Metric, time.Duration) {}

func platform(b dcm.RateBudget) dcm.Credential {
	return dcm.Credential{Owner: dcm.RateOwner{Provider: "hetzner"}, Rate: b}
}

func gated(left int64) (*rates, *limitedCloud, lifecycle.Common) {
	p := &limitedCloud{}
	p.left.Store(left)
	r := &rates{}
	return r, p, lifecycle.Common{Store: r, Clock: dcm.SystemClock{}, Log: slog.New(slog.DiscardHandler), Meter: noMeter{}}
}

func limitedFor(t *testing.T, err error) time.Duration {
	t.Helper()
	e, ok := errors.AsType[*dcm.ProviderError](err)
	if !ok || e.Kind != dcm.KindRateLimited {
		t.Fatalf("got %v, want a limit", err)
	}
	return e.RetryAfter
}

// A sweep that knows nothing of the limit lets one call find it out; the others
// wait for what it says, and keep to it: together, side by side, they go down to
// their floor and their allowance below it, and no further.
func TestASweepFindsOutTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, p, common := gated(50)
		sweep := lifecycle.ForSweeps(common, dcm.RateOverdue, p)
		var all sync.WaitGroup
		var refused atomic.Int64
		for range 100 {
			all.Go(func() {
				if _, err := sweep.GetVM(t.Context(), platform(dcm.RateBudget{}), dcm.ServerRef{ID: "1"}); err != nil {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		// 50 were left; the floor is 30, the allowance below it 10.
		if p.calls.Load() != 30 || refused.Load() != 70 || p.left.Load() != 20 {
			t.Errorf("%d calls, %d refused, %d left", p.calls.Load(), refused.Load(), p.left.Load())
		}
		if store.reads != 1 || store.takes > 5 {
			t.Errorf("%d reads and %d takes for 30 calls", store.reads, store.takes)
		}
	})
}

// What is refused comes back one after the other, and the refusals cost nothing.
func TestWhatIsRefusedQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, p, common := gated(0)
		p.left.Store(1)
		sweep := lifecycle.ForSweeps(common, dcm.RateOverdue, p)
		get := func() error {
			_, err := sweep.GetVM(t.Context(), platform(dcm.RateBudget{}), dcm.ServerRef{ID: "1"})
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		last, takes := time.Duration(0), 0
		for i := range 10 {
			wait := limitedFor(t, get())
			if wait <= last {
				t.Errorf("number %d waits %v, the one before it %v", i, wait, last)
			}
			if last = wait; i == 0 {
				takes = store.takes
			}
		}
		if store.takes != takes || p.calls.Load() != 1 {
			t.Errorf("%d takes and %d calls for refusals", store.takes-takes, p.calls.Load()-1)
		}
		time.Sleep(2 * time.Minute)
		if err := get(); err != nil {
			t.Errorf("after a while: %v", err)
		}
	})
}

// A call that panics while the others wait for what it finds out lets them go on.
func TestACallThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p, common := gated(100)
		p.silent = true
		p.fail = func() error {
			if p.calls.Load() == 1 {
				panic("half way")
			}
			return nil
		}
		sweep := lifecycle.ForSweeps(common, dcm.RateOrphans, p)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				defer func() { _ = recover() }()
				if _, err := sweep.GetVM(t.Context(), platform(dcm.RateBudget{}), dcm.ServerRef{ID: "1"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if p.calls.Load() != 4 {
			t.Errorf("%d calls", p.calls.Load())
		}
	})
}

// A deletion takes the request that confirms it: nobody else may come between.
func TestADeletionIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p, common := gated(34)
		sweep := lifecycle.ForSweeps(common, dcm.RateOverdue, p)
		c := platform(dcm.RateBudget{})
		get := func(id string) error {
			_, err := sweep.GetVM(t.Context(), c, dcm.ServerRef{ID: id})
			return err
		}
		if err := errors.Join(get("1"), sweep.DeleteVM(t.Context(), c, "1")); err != nil {
			t.Fatal(err)
		}
		for get("2") == nil { // somebody takes all there is
			continue
		}
		if err := get("1"); err != nil {
			t.Errorf("the deletion could not be confirmed: %v", err)
		}
		limitedFor(t, get("1"))
	})
}

// Who serves a user asks nobody, writes nothing while requests are plenty, and
// does not call a provider that would refuse.
func TestAUsersRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, p, common := gated(100)
		user := lifecycle.ForUsers(common, p)
		now := time.Now()
		for range 45 {
			if err := user.DeleteVM(t.Context(), platform(dcm.RateBudget{}), "1"); err != nil {
				t.Fatal(err)
			}
		}
		if store.reads+store.takes != 0 || store.kept.Version != 0 {
			t.Errorf("%d reads, %d takes, %+v", store.reads, store.takes, store.kept)
		}
		for range 10 {
			_ = user.DeleteVM(t.Context(), platform(store.kept), "1")
		}
		if left := store.kept.Left(time.Now()); store.kept.Version == 0 || left > 50 {
			t.Errorf("the others think that %d are left", left)
		}
		empty := dcm.RateBudget{}.Assume(dcm.RateLimit{Limit: 100, Remaining: 1, Interval: time.Minute}, now)
		calls := p.calls.Load()
		limitedFor(t, user.DeleteVM(t.Context(), platform(empty), "1"))
		if p.calls.Load() != calls {
			t.Error("the provider was called")
		}
	})
}
