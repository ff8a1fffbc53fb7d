package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	localkms "github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
	"github.com/devcontainer-manager/devcontainer-manager/internal/token"
)

// countedKMS is a real client that counts calls.
type countedKMS struct {
	*kms.Client
	signs, keys atomic.Int32
	broken      atomic.Bool
}

func (c *countedKMS) Sign(ctx context.Context, in *kms.SignInput, o ...func(*kms.Options)) (*kms.SignOutput, error) {
	c.signs.Add(1)
	return c.Client.Sign(ctx, in, o...)
}

func (c *countedKMS) GetPublicKey(ctx context.Context, in *kms.GetPublicKeyInput, o ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	c.keys.Add(1)
	if c.broken.Load() {
		return nil, errors.New("KMS is away")
	}
	return c.Client.GetPublicKey(ctx, in, o...)
}

func newKMS(t testing.TB) *countedKMS {
	t.Helper()
	front := httptest.NewServer(localkms.New(localkms.Options{Keys: map[string]localkms.Spec{"token": localkms.ECCP256, "token-2": localkms.ECCP256}}))
	t.Cleanup(front.Close)
	return &countedKMS{Client: kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})}
}

// clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) Now() time.Time { return c.at }

func start() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) }

func newTokens(k token.KMS, c dcm.Clock, installation string) *token.Tokens {
	return token.New(token.Options{KMS: k, KeyID: "token", Installation: installation, Clock: c})
}

func good() dcm.TokenClaims {
	return dcm.TokenClaims{
		Audience: dcm.AudienceVM, Tenant: "acme", VM: "vm-k3j9x2m4qa", IssuedAt: start(), ExpiresAt: start().Add(dcm.VMTokenLife),
	}
}

func mustIssue(t testing.TB, s *token.Tokens, c dcm.TokenClaims) dcm.Secret {
	t.Helper()
	issued, err := s.Issue(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func TestIssueAndVerify(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := newTokens(k, &clock{start()}, "test")
	if err := s.Warm(context.Background()); err != nil {
		t.Fatal(err)
	}
	issued := mustIssue(t, s, good())
	for range 3 {
		got, err := s.Verify(context.Background(), issued, dcm.AudienceVM)
		if err != nil || got != good() {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if k.signs.Load() != 1 || k.keys.Load() != 1 {
		t.Errorf("%d signatures and %d public keys asked for, want one each", k.signs.Load(), k.keys.Load())
	}
	if n := len(issued.Reveal()); n > 600 {
		t.Errorf("a token has %d bytes", n)
	}
}

// TestSignaturesWithLeadingZeros: DER leaves out the zeros that JWS wants.
func TestSignaturesWithLeadingZeros(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := newTokens(&heldKMS{key: key, short: true}, &clock{start()}, "test")
	if _, err := s.Verify(context.Background(), mustIssue(t, s, good()), dcm.AudienceVM); err != nil {
		t.Fatal(err)
	}
}

// TestStrangeSignatures: what KMS answers is not taken on trust.
func TestStrangeSignatures(t *testing.T) {
	t.Parallel()
	for name, der := range map[string]string{
		"nothing":       "",
		"not DER":       "signature",
		"more than DER": "\x30\x06\x02\x01\x01\x02\x01\x01\x00",
		"zero":          "\x30\x06\x02\x01\x00\x02\x01\x01",
		"negative":      "\x30\x06\x02\x01\x01\x02\x01\xff",
		"too wide":      "\x30\x26\x02\x21\x01" + strings.Repeat("\x00", 32) + "\x02\x01\x01",
	} {
		s := newTokens(&heldKMS{answer: &der}, &clock{start()}, "test")
		if _, err := s.Issue(context.Background(), good()); dcm.ErrorCode(err) != dcm.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestIssuedAtDefaultsToNow(t *testing.T) {
	t.Parallel()
	s := newTokens(newKMS(t), &clock{start()}, "test")
	c := good()
	c.IssuedAt = time.Time{}
	got, err := s.Verify(context.Background(), mustIssue(t, s, c), dcm.AudienceVM)
	if err != nil || !got.IssuedAt.Equal(start()) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	now := &clock{start()}
	s := newTokens(newKMS(t), now, "test")
	issued := mustIssue(t, s, good())
	for _, c := range []struct {
		name  string
		at    time.Time
		valid bool
	}{
		{"long before it was issued", start().Add(-time.Hour), false},
		{"just outside the leeway before", start().Add(-token.Leeway - time.Second), false},
		{"within the leeway before", start().Add(-token.Leeway + time.Second), true},
		{"at its end", start().Add(dcm.VMTokenLife - time.Second), true},
		{"within the leeway after", start().Add(dcm.VMTokenLife + token.Leeway - time.Second), true},
		{"just expired", start().Add(dcm.VMTokenLife + token.Leeway + time.Second), false},
	} {
		now.at = c.at
		_, err := s.Verify(context.Background(), issued, dcm.AudienceVM)
		if c.valid && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.valid {
			wantRefused(t, c.name, err)
		}
	}
}

func TestAudience(t *testing.T) {
	t.Parallel()
	s := newTokens(newKMS(t), &clock{start()}, "test")
	bootstrap := good()
	bootstrap.Audience = dcm.AudienceBootstrap
	_, err := s.Verify(context.Background(), mustIssue(t, s, bootstrap), dcm.AudienceVM)
	wantRefused(t, "a bootstrap token used as a VM token", err)
	_, err = s.Verify(context.Background(), mustIssue(t, s, good()), dcm.AudienceBootstrap)
	wantRefused(t, "a VM token used to bootstrap", err)
}

func TestAnotherInstallation(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	issued := mustIssue(t, newTokens(k, &clock{start()}, "staging"), good())
	_, err := newTokens(k, &clock{start()}, "production").Verify(context.Background(), issued, dcm.AudienceVM)
	wantRefused(t, "a token of another installation", err)
}

func TestAnotherKey(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	foreign := token.New(token.Options{KMS: k, KeyID: "token-2", Installation: "test", Clock: &clock{start()}})
	_, err := newTokens(k, &clock{start()}, "test").Verify(context.Background(), mustIssue(t, foreign, good()), dcm.AudienceVM)
	wantRefused(t, "a token of another key", err)
}

func TestIssueRefusesIncompleteClaims(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := newTokens(k, &clock{start()}, "test")
	for name, spoil := range map[string]func(*dcm.TokenClaims){
		"no audience":  func(c *dcm.TokenClaims) { c.Audience = "" },
		"no VM":        func(c *dcm.TokenClaims) { c.VM = "" },
		"no tenant":    func(c *dcm.TokenClaims) { c.Tenant = "" },
		"no end":       func(c *dcm.TokenClaims) { c.ExpiresAt = time.Time{} },
		"an early end": func(c *dcm.TokenClaims) { c.ExpiresAt = c.IssuedAt },
	} {
		c := good()
		spoil(&c)
		if _, err := s.Issue(context.Background(), c); dcm.ErrorCode(err) != dcm.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if k.signs.Load() != 0 {
		t.Error("something was signed")
	}
}

// TestKeyFetchIsRetried: an unreachable KMS says nothing about a token, and is
// not remembered.
func TestKeyFetchIsRetried(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := newTokens(k, &clock{start()}, "test")
	issued := mustIssue(t, s, good())
	k.broken.Store(true)
	if _, err := s.Verify(context.Background(), issued, dcm.AudienceVM); dcm.ErrorCode(err) != dcm.CodeInternal {
		t.Errorf("while KMS is away: got %v", err)
	}
	k.broken.Store(false)
	if _, err := s.Verify(context.Background(), issued, dcm.AudienceVM); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// wantRefused asks for the one error, which says nothing but that.
func wantRefused(t testing.TB, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || e.Code != dcm.CodeUnauthenticated || e.Message != "the token is not valid" || len(e.Fields) != 0 {
		t.Errorf("%s: got %v", what, err)
	}
	if ok && (e.Err == nil || strings.Contains(e.Message, e.Err.Error())) {
		t.Errorf("%s: the reason is not kept for the log alone: %v", what, err)
	}
}
