package envelope

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// The cache's bounds. A function serves one request at a time, so that few
// tenants' credentials are ever in one process; and one that was revoked in
// KMS works in a warm function for no longer than cacheLife.
const (
	cacheLife    = 5 * time.Minute
	cacheEntries = 64
)

// Cache is a dcm.Sealer that remembers what it opened, for five minutes and up
// to 64 values: a warm function spends no KMS call on a tenant's own accounts
// again. It remembers credentials only; passwords and workspaces' keys are
// opened anew each time, as is whatever did not open.
//
// A value is found again by its whole context and by every byte of it, so that
// one which was moved, or replaced by a new token, is still put to KMS. It is
// safe for concurrent use.
type Cache struct {
	sealer dcm.Sealer
	clock  dcm.Clock

	mu      sync.Mutex
	entries map[cacheKey]cacheEntry
}

type cacheKey struct {
	context dcm.SealContext
	digest  [sha256.Size]byte
}

type cacheEntry struct {
	secret  dcm.Secret
	expires time.Time
}

var _ dcm.Sealer = (*Cache)(nil)

// NewCache remembers what sealer opens.
func NewCache(sealer dcm.Sealer, clock dcm.Clock) *Cache {
	return &Cache{sealer: sealer, clock: clock, entries: map[cacheKey]cacheEntry{}}
}

// Seal seals. Nothing of it is remembered.
func (c *Cache) Seal(ctx context.Context, at dcm.SealContext, s dcm.Secret) (dcm.Sealed, error) {
	return c.sealer.Seal(ctx, at, s)
}

// Open opens, without a KMS call if it opened the same value for the same
// context in the last five minutes.
func (c *Cache) Open(ctx context.Context, at dcm.SealContext, s dcm.Sealed) (dcm.Secret, error) {
	if !remembers(at.Purpose) {
		return c.sealer.Open(ctx, at, s)
	}
	key := cacheKey{context: at, digest: sha256.Sum256(s)}
	if secret, ok := c.find(key); ok {
		return secret, nil
	}
	secret, err := c.sealer.Open(ctx, at, s)
	if err == nil {
		c.keep(key, secret)
	}
	return secret, err
}

// Len is how many values are remembered.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	return len(c.entries)
}

func remembers(p dcm.Purpose) bool {
	switch p {
	case dcm.PurposeProviderCredential, dcm.PurposeDNSCredential, dcm.PurposeStorageCredential:
		return true
	}
	return false
}

func (c *Cache) find(key cacheKey) (dcm.Secret, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	e, ok := c.entries[key]
	return e.secret, ok
}

func (c *Cache) keep(key cacheKey, secret dcm.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	if len(c.entries) >= cacheEntries {
		c.forgetOldest()
	}
	c.entries[key] = cacheEntry{secret: secret, expires: c.clock.Now().Add(cacheLife)}
}

// expire forgets what is too old, used or not: no secret stays because nobody
// asks for it. It looks at every entry, of which there are few.
func (c *Cache) expire() {
	now := c.clock.Now()
	for key, e := range c.entries {
		if !now.Before(e.expires) {
			delete(c.entries, key)
		}
	}
}

func (c *Cache) forgetOldest() {
	var (
		oldest cacheKey
		at     time.Time
	)
	for key, e := range c.entries {
		if at.IsZero() || e.expires.Before(at) {
			oldest, at = key, e.expires
		}
	}
	delete(c.entries, oldest)
}
