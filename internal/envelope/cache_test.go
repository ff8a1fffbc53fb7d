package envelope_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
)

// unwrapper unwraps anything as the text before it, or fails.
type unwrapper struct {
	envelope.KMS
	mu    sync.Mutex
	calls int
	err   error
}

func (u *unwrapper) Decrypt(_ context.Context, in *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls++
	if u.err != nil {
		return nil, u.err
	}
	return &kms.DecryptOutput{Plaintext: []byte("key " + string(in.CiphertextBlob))}, nil
}

func newCache() (*envelope.Cache, *unwrapper, *clocktest.Clock) {
	u, clock := &unwrapper{}, clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC))
	return envelope.NewCache(u, clock), u, clock
}

func binding(purpose dcm.Purpose) map[string]string {
	return map[string]string{"installation": "test", "tenant": "acme", "purpose": string(purpose), "resource": "ac-aaaaaaaaaa"}
}

func credential() map[string]string { return binding(dcm.PurposeProviderCredential) }

// mustUnwrap clears what it gets, as whoever opens a value does.
func mustUnwrap(t *testing.T, c *envelope.Cache, at map[string]string, wrapped string) {
	t.Helper()
	got, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: aws.String("data"), CiphertextBlob: []byte(wrapped), EncryptionContext: at})
	if err != nil || string(got.Plaintext) != "key "+wrapped {
		t.Fatalf("unwrapped %v, %v; want the key of %q", got, err, wrapped)
	}
	clear(got.Plaintext)
}

func TestCacheRemembersKeysOfCredentials(t *testing.T) {
	t.Parallel()
	for _, purpose := range []dcm.Purpose{
		dcm.PurposeAccountsKey, dcm.PurposeProviderCredential, dcm.PurposeDNSCredential, dcm.PurposeStorageCredential,
	} {
		c, u, clock := newCache()
		at := binding(purpose)
		mustUnwrap(t, c, at, "token")
		clock.Advance(5*time.Minute - 1)
		mustUnwrap(t, c, at, "token")
		mustUnwrap(t, c, at, "token")
		if u.calls != 1 {
			t.Errorf("%s: unwrapped %d times within five minutes", purpose, u.calls)
		}
		// Being used does not make it live longer.
		clock.Advance(1)
		if c.Len() != 0 {
			t.Errorf("%s: still remembered after five minutes", purpose)
		}
		mustUnwrap(t, c, at, "token")
		if u.calls != 2 {
			t.Errorf("%s: unwrapped %d times, want anew after five minutes", purpose, u.calls)
		}
	}
}

func TestCacheRemembersNothingElse(t *testing.T) {
	t.Parallel()
	for _, purpose := range []dcm.Purpose{dcm.PurposeTerminalPassword, dcm.PurposeWorkspaceKey, "new-purpose", ""} {
		c, u, _ := newCache()
		mustUnwrap(t, c, binding(purpose), "secret")
		mustUnwrap(t, c, binding(purpose), "secret")
		if u.calls != 2 || c.Len() != 0 {
			t.Errorf("%s: unwrapped %d times, %d remembered", purpose, u.calls, c.Len())
		}
	}
}

func TestCacheTellsKeysApart(t *testing.T) {
	t.Parallel()
	c, u, _ := newCache()
	mustUnwrap(t, c, credential(), "one")
	mustUnwrap(t, c, credential(), "two")
	mustUnwrap(t, c, binding(dcm.PurposeDNSCredential), "one")
	for _, name := range []string{"installation", "tenant", "resource"} {
		elsewhere := credential()
		elsewhere[name] = "evil"
		mustUnwrap(t, c, elsewhere, "one")
		delete(elsewhere, name)
		mustUnwrap(t, c, elsewhere, "one")
	}
	if u.calls != 9 {
		t.Errorf("unwrapped %d times, want each for itself", u.calls)
	}
	other := &kms.DecryptInput{KeyId: aws.String("data-2"), CiphertextBlob: []byte("one"), EncryptionContext: credential()}
	if _, err := c.Decrypt(t.Context(), other); err != nil || u.calls != 10 {
		t.Errorf("under another key of KMS: %v, %d calls", err, u.calls)
	}
}

func TestCacheRemembersNoFailure(t *testing.T) {
	t.Parallel()
	c, u, _ := newCache()
	u.err = errors.New("KMS is away")
	if _, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: aws.String("data"), CiphertextBlob: []byte("x"), EncryptionContext: credential()}); !errors.Is(err, u.err) {
		t.Fatalf("error is %v", err)
	}
	u.err = nil
	mustUnwrap(t, c, credential(), "x")
	if u.calls != 2 {
		t.Errorf("unwrapped %d times", u.calls)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c, u, clock := newCache()
	for i := range 100 {
		mustUnwrap(t, c, credential(), fmt.Sprint(i))
		clock.Advance(time.Second)
	}
	if c.Len() != 64 {
		t.Errorf("%d keys remembered, want 64", c.Len())
	}
	u.calls = 0
	mustUnwrap(t, c, credential(), "99")
	mustUnwrap(t, c, credential(), "36")
	if u.calls != 0 {
		t.Error("a newer key was forgotten before an older one")
	}
	mustUnwrap(t, c, credential(), "0")
	if u.calls != 1 {
		t.Error("the oldest key was not the one forgotten")
	}
}

func TestCacheServesManyAtOnce(t *testing.T) {
	t.Parallel()
	c, _, clock := newCache()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			clock.Advance(time.Second)
			got, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: aws.String("data"), CiphertextBlob: []byte("v"), EncryptionContext: credential()})
			if err != nil || string(got.Plaintext) != "key v" {
				t.Errorf("unwrapped %v, %v", got, err)
				return
			}
			clear(got.Plaintext)
		})
	}
	all.Wait()
}

// TestCacheOverKMS: what does not open without the cache does not open with it.
func TestCacheOverKMS(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := sealer(envelope.NewCache(k, dcm.SystemClock{}))
	at := dcm.SealContext{Tenant: "acme", Purpose: dcm.PurposeStorageCredential, Resource: "ac-aaaaaaaaaa"}
	sealed, err := s.Seal(t.Context(), at, dcm.NewSecret("token"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := s.Open(t.Context(), at, sealed); err != nil || got.Reveal() != "token" {
			t.Fatalf("%q, %v", got.Reveal(), err)
		}
	}
	if k.calls != 2 {
		t.Errorf("%d KMS calls, want one to seal and one to open", k.calls)
	}
	evil := at
	evil.Tenant = "evil"
	_, err = s.Open(t.Context(), evil, sealed)
	wantOpaque(t, "another tenant", err)
	sealed[len(sealed)-1] ^= 1
	_, err = s.Open(t.Context(), at, sealed)
	wantOpaque(t, "a changed byte", err)
}
