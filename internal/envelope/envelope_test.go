package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
	localkms "github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
)

// watchedKMS is a real client that counts calls and keeps the data keys it
// handed out.
type watchedKMS struct {
	*kms.Client
	calls int
	keys  [][]byte
}

func (w *watchedKMS) GenerateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput, o ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error) {
	w.calls++
	out, err := w.Client.GenerateDataKey(ctx, in, o...)
	if err == nil {
		w.keys = append(w.keys, out.Plaintext)
	}
	return out, err
}

func (w *watchedKMS) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	w.calls++
	out, err := w.Client.Decrypt(ctx, in, o...)
	if err == nil {
		w.keys = append(w.keys, out.Plaintext)
	}
	return out, err
}

func newKMS(t testing.TB) *watchedKMS {
	t.Helper()
	front := httptest.NewServer(localkms.New(localkms.Options{Keys: map[string]localkms.Spec{"data": localkms.Symmetric, "data-2": localkms.Symmetric}}))
	t.Cleanup(front.Close)
	return &watchedKMS{Client: kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})}
}

func sealer(k envelope.KMS) *envelope.Sealer {
	return envelope.New(envelope.Options{KMS: k, KeyID: "data", Installation: "test"})
}

func here() dcm.SealContext {
	return dcm.SealContext{Tenant: "acme", Purpose: dcm.PurposeWorkspaceKey, Resource: "ws-aaaaaaaaaa/1"}
}

func mustSeal(t testing.TB, s *envelope.Sealer, text string) dcm.Sealed {
	t.Helper()
	sealed, err := s.Seal(context.Background(), here(), dcm.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"AGE-SECRET-KEY-1EXAMPLE", "", strings.Repeat("x", 100_000), "\x00\xff"} {
		k := newKMS(t)
		s := sealer(k)
		sealed := mustSeal(t, s, text)
		if len(text) > 5 && bytes.Contains(sealed, []byte(text[:5])) {
			t.Error("the secret shows in the sealed value")
		}
		opened, err := s.Open(context.Background(), here(), sealed)
		if err != nil || opened.Reveal() != text {
			t.Errorf("%.10q: got %.10q, %v", text, opened.Reveal(), err)
		}
		if k.calls != 2 {
			t.Errorf("%d KMS calls, want one each", k.calls)
		}
	}
}

func TestSealingTwiceDiffers(t *testing.T) {
	t.Parallel()
	s := sealer(newKMS(t))
	if bytes.Equal(mustSeal(t, s, "same"), mustSeal(t, s, "same")) {
		t.Error("two seals of one secret are equal")
	}
}

// TestKeysAreCleared holds on to the very buffers KMS's answers came in.
func TestKeysAreCleared(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := sealer(k)
	if _, err := s.Open(context.Background(), here(), mustSeal(t, s, "secret")); err != nil {
		t.Fatal(err)
	}
	for i, key := range k.keys {
		if len(key) != 32 || slices.ContainsFunc(key, func(b byte) bool { return b != 0 }) {
			t.Errorf("data key %d is still in memory", i)
		}
	}
}

func TestMovedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	sealed := mustSeal(t, sealer(k), "secret")
	for name, c := range map[string]dcm.SealContext{
		"tenant":   {Tenant: "other", Purpose: here().Purpose, Resource: here().Resource},
		"purpose":  {Tenant: here().Tenant, Purpose: dcm.PurposeTerminalPassword, Resource: here().Resource},
		"resource": {Tenant: here().Tenant, Purpose: here().Purpose, Resource: "ws-aaaaaaaaaa/2"},
		"shifted":  {Tenant: "acm", Purpose: "e" + here().Purpose, Resource: here().Resource},
		"empty":    {},
	} {
		_, err := sealer(k).Open(context.Background(), c, sealed)
		wantOpaque(t, "another "+name, err)
	}
	other := envelope.New(envelope.Options{KMS: k, KeyID: "data", Installation: "another"})
	_, err := other.Open(context.Background(), here(), sealed)
	wantOpaque(t, "another installation", err)
	other = envelope.New(envelope.Options{KMS: k, KeyID: "data-2", Installation: "test"})
	_, err = other.Open(context.Background(), here(), sealed)
	wantOpaque(t, "another key", err)
}

func TestTamperedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	s := sealer(newKMS(t))
	sealed := mustSeal(t, s, "secret")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x01
		if _, err := s.Open(context.Background(), here(), changed); err == nil {
			t.Errorf("byte %d changed, and it opened", i)
		} else {
			wantOpaque(t, "a changed byte", err)
		}
	}
	for i := range sealed {
		if _, err := s.Open(context.Background(), here(), sealed[:i]); err == nil {
			t.Errorf("cut to %d bytes, and it opened", i)
		}
	}
	_, err := s.Open(context.Background(), here(), append(bytes.Clone(sealed), 0))
	wantOpaque(t, "a byte more", err)
}

// TestSplicedValuesDoNotOpen joins one value's key with another's content.
func TestSplicedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	s := sealer(newKMS(t))
	one, two := mustSeal(t, s, "secret one"), mustSeal(t, s, "secret two")
	body := 12 + 16 + len("secret one")
	_, err := s.Open(context.Background(), here(), slices.Concat(one[:len(one)-body], two[len(two)-body:]))
	wantOpaque(t, "a spliced value", err)
}

func TestSealRefusesIncompleteContext(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	for _, c := range []dcm.SealContext{{}, {Tenant: "acme", Purpose: "p"}, {Tenant: "acme", Resource: "r"}, {Purpose: "p", Resource: "r"}} {
		_, err := sealer(k).Seal(context.Background(), c, dcm.NewSecret("secret"))
		wantOpaque(t, "an incomplete context", err)
	}
	if k.calls != 0 {
		t.Errorf("%d KMS calls", k.calls)
	}
}

func TestForeignValuesCostNoCall(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	for _, value := range []dcm.Sealed{nil, {}, {3, 0, 1, 0}, bytes.Repeat([]byte{1}, 20), bytes.Repeat([]byte{2}, 600)} {
		_, err := sealer(k).Open(context.Background(), here(), value)
		wantOpaque(t, "a foreign value", err)
	}
	if k.calls != 0 {
		t.Errorf("%d KMS calls", k.calls)
	}
}

// wantOpaque asks for the one error that tells a caller nothing.
func wantOpaque(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || e.Code != dcm.CodeInternal || e.Message != "a stored secret could not be used" {
		t.Errorf("%s: got %v", what, err)
	}
}
