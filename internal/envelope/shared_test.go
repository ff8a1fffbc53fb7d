package envelope_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
)

func token() dcm.SealContext {
	return dcm.SealContext{Tenant: "acme", Purpose: dcm.PurposeProviderCredential, Resource: "ac-aaaaaaaaaa"}
}

func dnsToken() dcm.SealContext {
	return dcm.SealContext{Tenant: "acme", Purpose: dcm.PurposeDNSCredential, Resource: "ac-bbbbbbbbbb"}
}

func mustKey(t testing.TB, s *envelope.Sealer, tenant dcm.TenantID) dcm.WrappedKey {
	t.Helper()
	key, err := s.NewKey(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSealUnder(t testing.TB, s *envelope.Sealer, k dcm.WrappedKey, c dcm.SealContext, text string) dcm.Sealed {
	t.Helper()
	sealed, err := s.SealUnder(t.Context(), k, c, dcm.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestOneCallOpensAllUnderAKey: with the cache over KMS, the first token pays
// for the second, and for one that replaces it.
func TestOneCallOpensAllUnderAKey(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := sealer(k)
	key := mustKey(t, s, "acme")
	values := map[string]struct {
		at     dcm.SealContext
		sealed dcm.Sealed
	}{
		"token":   {token(), mustSealUnder(t, s, key, token(), "token")},
		"rotated": {token(), mustSealUnder(t, s, key, token(), "rotated")},
		"zone":    {dnsToken(), mustSealUnder(t, s, key, dnsToken(), "zone")},
	}
	if k.calls != 4 {
		t.Errorf("%d KMS calls to make a key and seal three times", k.calls)
	}
	k.calls = 0
	cold := sealer(envelope.NewCache(k, dcm.SystemClock{}))
	for text, v := range values {
		if bytes.Contains(v.sealed, []byte(text)) {
			t.Error("the secret shows in the sealed value")
		}
		if got, err := cold.Open(t.Context(), v.at, v.sealed); err != nil || got.Reveal() != text {
			t.Errorf("%s: %q, %v", text, got.Reveal(), err)
		}
	}
	if k.calls != 1 {
		t.Errorf("%d KMS calls to open what is under one key", k.calls)
	}
	for i, key := range k.keys {
		if slices.ContainsFunc(key, func(b byte) bool { return b != 0 }) {
			t.Errorf("data key %d is still in memory", i)
		}
	}
}

// TestMovedValuesUnderAKeyDoNotOpen: not even where the same key is at hand.
func TestMovedValuesUnderAKeyDoNotOpen(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	cache := envelope.NewCache(k, dcm.SystemClock{})
	s := sealer(cache)
	key := mustKey(t, s, "acme")
	sealed := mustSealUnder(t, s, key, token(), "secret")
	if _, err := s.Open(t.Context(), token(), sealed); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]dcm.SealContext{
		"tenant":           {Tenant: "evil", Purpose: token().Purpose, Resource: token().Resource},
		"purpose":          {Tenant: "acme", Purpose: dcm.PurposeDNSCredential, Resource: token().Resource},
		"resource":         {Tenant: "acme", Purpose: token().Purpose, Resource: "ac-bbbbbbbbbb"},
		"account":          dnsToken(),
		"kind of purpose":  {Tenant: "acme", Purpose: dcm.PurposeStorageCredential, Resource: token().Resource},
		"context: its key": {Tenant: "acme", Purpose: dcm.PurposeAccountsKey, Resource: "acme"},
	} {
		_, err := s.Open(t.Context(), c, sealed)
		wantOpaque(t, "another "+name, err)
	}
	other := envelope.New(envelope.Options{KMS: cache, KeyID: "data", Installation: "another"})
	_, err := other.Open(t.Context(), token(), sealed)
	wantOpaque(t, "another installation", err)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 3 // which makes a 1 of version 2, too
		if _, err := s.Open(t.Context(), token(), changed); err == nil {
			t.Errorf("byte %d changed, and it opened", i)
		}
	}
}

func TestAnotherTenantsKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := sealer(newKMS(t))
	foreign := mustKey(t, s, "evil")
	own, err := s.Seal(t.Context(), token(), dcm.NewSecret("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]dcm.WrappedKey{
		"another tenant's": foreign, "spoiled": append(bytes.Clone(foreign), 1),
		// A value's own key is bound to that value alone.
		"a single value's": dcm.WrappedKey(own[3 : len(own)-12-16-1]),
	} {
		_, err := s.SealUnder(t.Context(), key, token(), dcm.NewSecret("secret"))
		wantOpaque(t, name, err)
		if !errors.Is(err, dcm.ErrKeyRefused) {
			t.Errorf("%s: %v", name, errors.Unwrap(err))
		}
	}
}

// TestOnlyTokensShareAKey: passwords, workspaces' keys and buckets never do.
func TestOnlyTokensShareAKey(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := sealer(k)
	key := mustKey(t, s, "acme")
	k.calls = 0
	for _, purpose := range []dcm.Purpose{
		dcm.PurposeTerminalPassword, dcm.PurposeWorkspaceKey, dcm.PurposeStorageCredential, dcm.PurposeAccountsKey, "", "new-purpose",
	} {
		_, err := s.SealUnder(t.Context(), key, dcm.SealContext{Tenant: "acme", Purpose: purpose, Resource: "r"}, dcm.NewSecret("x"))
		wantOpaque(t, string(purpose), err)
		if errors.Is(err, dcm.ErrKeyRefused) {
			t.Errorf("%s: the key is blamed", purpose)
		}
	}
	_, err := s.NewKey(t.Context(), "")
	wantOpaque(t, "nobody's key", err)
	if k.calls != 0 {
		t.Errorf("%d KMS calls", k.calls)
	}
}

// TestKeyOutOfReachIsNotRefused: what may work a minute later must not make
// anybody give the key up.
func TestKeyOutOfReachIsNotRefused(t *testing.T) {
	t.Parallel()
	away := &unwrapper{err: errors.New("KMS is away")}
	_, err := sealer(away).SealUnder(t.Context(), dcm.WrappedKey("k"), token(), dcm.NewSecret("x"))
	wantOpaque(t, "KMS is away", err)
	if errors.Is(err, dcm.ErrKeyRefused) {
		t.Error("the key is taken for refused")
	}
}
