package envelope_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
)

// handClock stands still until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openCounter opens anything as what it is, or fails.
type openCounter struct {
	mu    sync.Mutex
	opens int
	err   error
}

func (o *openCounter) Seal(_ context.Context, _ dcm.SealContext, s dcm.Secret) (dcm.Sealed, error) {
	return dcm.Sealed(s.Reveal()), nil
}

func (o *openCounter) Open(_ context.Context, _ dcm.SealContext, s dcm.Sealed) (dcm.Secret, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opens++
	return dcm.NewSecret(string(s)), o.err
}

func newCache() (*envelope.Cache, *openCounter, *handClock) {
	o, clock := &openCounter{}, &handClock{now: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)}
	return envelope.NewCache(o, clock), o, clock
}

func credential(tenant dcm.TenantID) dcm.SealContext {
	return dcm.SealContext{Tenant: tenant, Purpose: dcm.PurposeProviderCredential, Resource: "ac-aaaaaaaaaa"}
}

func mustOpen(t *testing.T, c *envelope.Cache, at dcm.SealContext, value string) {
	t.Helper()
	got, err := c.Open(t.Context(), at, dcm.Sealed(value))
	if err != nil || got.Reveal() != value {
		t.Fatalf("opened %q, %v; want %q", got.Reveal(), err, value)
	}
}

func TestCacheRemembersCredentials(t *testing.T) {
	t.Parallel()
	for _, purpose := range []dcm.Purpose{dcm.PurposeProviderCredential, dcm.PurposeDNSCredential, dcm.PurposeStorageCredential} {
		c, o, clock := newCache()
		at := credential("acme")
		at.Purpose = purpose
		mustOpen(t, c, at, "token")
		clock.advance(5*time.Minute - 1)
		mustOpen(t, c, at, "token")
		if o.opens != 1 {
			t.Errorf("%s: opened %d times within five minutes", purpose, o.opens)
		}
		// Being used does not make it live longer.
		clock.advance(1)
		if c.Len() != 0 {
			t.Errorf("%s: still remembered after five minutes", purpose)
		}
		mustOpen(t, c, at, "token")
		if o.opens != 2 {
			t.Errorf("%s: opened %d times, want anew after five minutes", purpose, o.opens)
		}
	}
}

func TestCacheRemembersNothingElse(t *testing.T) {
	t.Parallel()
	for _, purpose := range []dcm.Purpose{dcm.PurposeTerminalPassword, dcm.PurposeWorkspaceKey, "new-purpose"} {
		c, o, _ := newCache()
		at := credential("acme")
		at.Purpose = purpose
		mustOpen(t, c, at, "secret")
		mustOpen(t, c, at, "secret")
		if o.opens != 2 || c.Len() != 0 {
			t.Errorf("%s: opened %d times, %d remembered", purpose, o.opens, c.Len())
		}
	}
}

func TestCacheTellsValuesApart(t *testing.T) {
	t.Parallel()
	c, o, _ := newCache()
	elsewhere := credential("acme")
	elsewhere.Resource = "ac-bbbbbbbbbb"
	other := credential("acme")
	other.Purpose = dcm.PurposeDNSCredential
	mustOpen(t, c, credential("acme"), "one")
	mustOpen(t, c, credential("acme"), "two")
	mustOpen(t, c, credential("evil"), "one")
	mustOpen(t, c, elsewhere, "one")
	mustOpen(t, c, other, "one")
	if o.opens != 5 {
		t.Errorf("opened %d times, want each for itself", o.opens)
	}
}

func TestCacheRemembersNoFailure(t *testing.T) {
	t.Parallel()
	c, o, _ := newCache()
	o.err = errors.New("KMS is away")
	if _, err := c.Open(t.Context(), credential("acme"), dcm.Sealed("x")); !errors.Is(err, o.err) {
		t.Fatalf("error is %v", err)
	}
	o.err = nil
	mustOpen(t, c, credential("acme"), "x")
	if o.opens != 2 {
		t.Errorf("opened %d times", o.opens)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c, o, clock := newCache()
	for i := range 100 {
		mustOpen(t, c, credential("acme"), fmt.Sprint(i))
		clock.advance(time.Second)
	}
	if c.Len() != 64 {
		t.Errorf("%d values remembered, want 64", c.Len())
	}
	o.opens = 0
	mustOpen(t, c, credential("acme"), "99")
	mustOpen(t, c, credential("acme"), "36")
	if o.opens != 0 {
		t.Error("a newer value was forgotten before an older one")
	}
	mustOpen(t, c, credential("acme"), "0")
	if o.opens != 1 {
		t.Error("the oldest value was not the one forgotten")
	}
}

func TestCacheServesManyAtOnce(t *testing.T) {
	t.Parallel()
	c, _, clock := newCache()
	var all sync.WaitGroup
	results := make([]string, 50)
	for i := range results {
		all.Go(func() {
			clock.advance(time.Second)
			got, err := c.Open(t.Context(), credential("acme"), dcm.Sealed("v"))
			if err == nil {
				results[i] = got.Reveal()
			}
		})
	}
	all.Wait()
	if slices.ContainsFunc(results, func(s string) bool { return s != "v" }) {
		t.Errorf("opened %v", results)
	}
}

// TestCacheOverKMS: what does not open without the cache does not open with it.
func TestCacheOverKMS(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	c := envelope.NewCache(sealer(k), dcm.SystemClock{})
	sealed, err := c.Seal(t.Context(), credential("acme"), dcm.NewSecret("token"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := c.Open(t.Context(), credential("acme"), sealed); err != nil || got.Reveal() != "token" {
			t.Fatalf("%q, %v", got.Reveal(), err)
		}
	}
	if k.calls != 2 {
		t.Errorf("%d KMS calls, want one to seal and one to open", k.calls)
	}
	_, err = c.Open(t.Context(), credential("evil"), sealed)
	wantOpaque(t, "another tenant", err)
	sealed[len(sealed)-1] ^= 1
	_, err = c.Open(t.Context(), credential("acme"), sealed)
	wantOpaque(t, "a changed byte", err)
}
