package envelope

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// The cache's bounds. A function serves one request at a time, so that few
// tenants' credentials are ever in one process; and one that was revoked in
// KMS works in a warm function for no longer than cacheLife.
const (
	cacheLife    = 5 * time.Minute
	cacheEntries = 64
)

// Cache is a KMS that remembers the data keys it unwrapped, for five minutes
// and up to 64 of them: one call opens all that a tenant has under one key, and
// a warm function spends none on a tenant's own accounts again. It remembers
// keys of credentials only; those of passwords and workspaces' keys are
// unwrapped anew each time, as is whatever was refused.
//
// A key is found again by the whole encryption context and by every byte of
// its ciphertext, so that one which was moved is still put to KMS. What it
// opens is decrypted, and its own context checked, every time. It is safe for
// concurrent use.
type Cache struct {
	KMS
	clock dcm.Clock

	mu      sync.Mutex
	entries map[cacheKey]cacheEntry
}

type cacheKey [sha256.Size]byte

type cacheEntry struct {
	key     []byte
	expires time.Time
}

var _ KMS = (*Cache)(nil)

// NewCache remembers what k unwraps.
func NewCache(k KMS, clock dcm.Clock) *Cache {
	return &Cache{KMS: k, clock: clock, entries: map[cacheKey]cacheEntry{}}
}

// Decrypt unwraps a data key, without a call if it unwrapped the same one for
// the same context in the last five minutes. Of the answer, only Plaintext is
// set then; it is the caller's to clear.
func (c *Cache) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	if !remembers(dcm.Purpose(in.EncryptionContext["purpose"])) {
		return c.KMS.Decrypt(ctx, in, o...)
	}
	at := cacheKeyOf(in)
	if key, ok := c.find(at); ok {
		return &kms.DecryptOutput{Plaintext: key}, nil
	}
	out, err := c.KMS.Decrypt(ctx, in, o...)
	if err == nil {
		c.keep(at, bytes.Clone(out.Plaintext))
	}
	return out, err
}

// Len is how many keys are remembered.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	return len(c.entries)
}

func remembers(p dcm.Purpose) bool {
	switch p {
	case dcm.PurposeAccountsKey, dcm.PurposeProviderCredential, dcm.PurposeDNSCredential, dcm.PurposeStorageCredential:
		return true
	}
	return false
}

func cacheKeyOf(in *kms.DecryptInput) cacheKey {
	call := appendText(appendText(nil, aws.ToString(in.KeyId)), string(in.CiphertextBlob))
	return sha256.Sum256(slices.Concat(call, associatedData(in.EncryptionContext)))
}

func (c *Cache) find(at cacheKey) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	e, ok := c.entries[at]
	return bytes.Clone(e.key), ok
}

func (c *Cache) keep(at cacheKey, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	if len(c.entries) >= cacheEntries {
		c.forgetOldest()
	}
	c.entries[at] = cacheEntry{key: key, expires: c.clock.Now().Add(cacheLife)}
}

// expire forgets what is too old, used or not: no key stays because nobody
// asks for it. It looks at every entry, of which there are few.
func (c *Cache) expire() {
	now := c.clock.Now()
	for at, e := range c.entries {
		if !now.Before(e.expires) {
			c.forget(at)
		}
	}
}

func (c *Cache) forgetOldest() {
	var (
		oldest cacheKey
		first  time.Time
	)
	for at, e := range c.entries {
		if first.IsZero() || e.expires.Before(first) {
			oldest, first = at, e.expires
		}
	}
	c.forget(oldest)
}

func (c *Cache) forget(at cacheKey) {
	clear(c.entries[at].key)
	delete(c.entries, at)
}
