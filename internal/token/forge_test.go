package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/golang-jwt/jwt/v5"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/token"
)

// forger knows everything but the private key: the public key, a genuine
// token, and every claim.
type forger struct {
	public  []byte
	genuine string
	header  map[string]any
	claims  map[string]any
}

func newForger(t testing.TB, k *countedKMS, s *token.Tokens) forger {
	t.Helper()
	out, err := k.Client.GetPublicKey(context.Background(), &kms.GetPublicKeyInput{KeyId: aws.String("token")})
	if err != nil {
		t.Fatal(err)
	}
	f := forger{public: out.PublicKey, genuine: mustIssue(t, s, good()).Reveal()}
	parts := strings.Split(f.genuine, ".")
	for i, into := range []*map[string]any{&f.header, &f.claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// forge signs with whatever method and key, under the genuine header but for
// the changes.
func (f forger) forge(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	made := jwt.NewWithClaims(method, jwt.MapClaims(merge(f.claims, claims)))
	made.Header = merge(merge(f.header, map[string]any{"alg": method.Alg()}), header)
	text, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func merge(base, changes map[string]any) map[string]any {
	merged := map[string]any{}
	for _, m := range []map[string]any{base, changes} {
		for name, value := range m {
			if merged[name] = value; value == nil {
				delete(merged, name)
			}
		}
	}
	return merged
}

func TestForgeriesAreRefused(t *testing.T) {
	t.Parallel()
	k := newKMS(t)
	s := newTokens(k, &clock{start()}, "test")
	f := newForger(t, k, s)
	if _, err := s.Verify(context.Background(), dcm.NewSecret(f.genuine), dcm.AudienceVM); err != nil {
		t.Fatalf("the genuine token: %v", err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: f.public})
	parts := strings.Split(f.genuine, ".")
	for name, text := range map[string]string{
		"alg none":                    f.forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
		"alg None":                    f.forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"alg": "None"}, nil),
		"HS256 with the public key":   f.forge(t, jwt.SigningMethodHS256, f.public, nil, nil),
		"HS256 with the PEM":          f.forge(t, jwt.SigningMethodHS256, pemKey, nil, nil),
		"HS256 called ES256":          f.forge(t, jwt.SigningMethodHS256, f.public, map[string]any{"alg": "ES256"}, nil),
		"another P-256 key":           f.forge(t, jwt.SigningMethodES256, own, nil, nil),
		"a P-384 key":                 f.forge(t, jwt.SigningMethodES384, wide, nil, nil),
		"an embedded key":             f.forge(t, jwt.SigningMethodES256, own, map[string]any{"jwk": map[string]string{"kty": "EC"}}, nil),
		"no kid":                      f.forge(t, jwt.SigningMethodES256, own, map[string]any{"kid": nil}, nil),
		"other claims, old signature": parts[0] + "." + encode(t, merge(f.claims, map[string]any{"tenant_id": "other"})) + "." + parts[2],
		"other header, old signature": encode(t, merge(f.header, map[string]any{"x": 1})) + "." + parts[1] + "." + parts[2],
		"no signature":                parts[0] + "." + parts[1] + ".",
		"two parts":                   parts[0] + "." + parts[1],
		"four parts":                  f.genuine + "." + parts[2],
		"a zero signature":            parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"a padded signature":          f.genuine + "==",
		"the last bits of its base64": f.genuine[:len(f.genuine)-1] + nextLetter(f.genuine[len(f.genuine)-1]),
		"a space before":              " " + f.genuine,
		"Bearer before":               "Bearer " + f.genuine,
		"nothing":                     "",
		"dots":                        "..",
		"a huge one":                  f.genuine + strings.Repeat("A", 1<<20),
		"a huge one of dots":          strings.Repeat(".", 1<<20),
	} {
		_, err := s.Verify(context.Background(), dcm.NewSecret(text), dcm.AudienceVM)
		wantRefused(t, name, err)
	}
	for i := range f.genuine {
		_, err := s.Verify(context.Background(), dcm.NewSecret(f.genuine[:i]), dcm.AudienceVM)
		wantRefused(t, "a truncated token", err)
	}
}

// nextLetter changes the unused low bits of base64's last letter.
func nextLetter(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, c)^1])
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// TestIncompleteClaimsAreRefused signs with the real key, held by the test: only
// the checks of the claims stand between these tokens and being believed.
func TestIncompleteClaimsAreRefused(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &heldKMS{key: key}
	s := newTokens(k, &clock{start()}, "test")
	genuine := mustIssue(t, s, good()).Reveal()
	f := forger{header: map[string]any{}, claims: map[string]any{}}
	for i, into := range []map[string]any{f.header, f.claims} {
		text, _ := base64.RawURLEncoding.DecodeString(strings.Split(genuine, ".")[i])
		if err := json.Unmarshal(text, &into); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Verify(context.Background(), dcm.NewSecret(f.forge(t, jwt.SigningMethodES256, key, nil, nil)), dcm.AudienceVM); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, changes := range map[string]map[string]any{
		"no iss":            {"iss": nil},
		"another iss":       {"iss": "other"},
		"no aud":            {"aud": nil},
		"two auds":          {"aud": []string{"vm", "bootstrap"}},
		"no sub":            {"sub": nil},
		"a foreign sub":     {"sub": "../vm-k3j9x2m4qa"},
		"no tenant":         {"tenant_id": nil},
		"a foreign tenant":  {"tenant_id": "ACME/../other"},
		"no exp":            {"exp": nil},
		"exp as text":       {"exp": "2099-01-01"},
		"no nbf":            {"nbf": nil},
		"no iat":            {"iat": nil},
		"iat in the future": {"iat": start().AddDate(0, 0, 1).Unix()},
	} {
		text := f.forge(t, jwt.SigningMethodES256, key, nil, changes)
		_, err := s.Verify(context.Background(), dcm.NewSecret(text), dcm.AudienceVM)
		wantRefused(t, name, err)
	}
	text := f.forge(t, jwt.SigningMethodES256, key, map[string]any{"crit": []string{"x"}}, nil)
	_, err = s.Verify(context.Background(), dcm.NewSecret(text), dcm.AudienceVM)
	wantRefused(t, "critical extensions", err)
	text = f.forge(t, jwt.SigningMethodES256, key, map[string]any{"kid": "other"}, nil)
	_, err = s.Verify(context.Background(), dcm.NewSecret(text), dcm.AudienceVM)
	wantRefused(t, "another kid", err)
}

// FuzzVerify looks for a token that is believed without being the genuine one,
// or that ends the program.
func FuzzVerify(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	s := newTokens(&heldKMS{key: key}, &clock{start()}, "test")
	genuine := mustIssue(f, s, good()).Reveal()
	f.Add(genuine)
	f.Add("")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(strings.Repeat(".", 100))
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := s.Verify(context.Background(), dcm.NewSecret(text), dcm.AudienceVM)
		if text == genuine {
			if err != nil {
				t.Fatalf("the genuine token: %v", err)
			}
			return
		}
		if err == nil {
			t.Fatalf("%q is believed: %+v", text, claims)
		}
		wantRefused(t, "a fuzzed token", err)
	})
}
