// Package issuer is an OpenID Connect issuer on loopback: discovery, a key
// set, and tokens for whoever asks. It stands for the identity provider that a
// deployment's JWT authorizer trusts.
package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/golang-jwt/jwt/v5"
)

// TokenLife is long, so that tokens survive the local clock's advances.
const TokenLife = 90 * 24 * time.Hour

// Options set up an issuer.
type Options struct {
	Clock dcm.Clock
	// Audience is the tokens' aud.
	Audience string
	// TenantClaim is the name of the claim that holds the tenant; "" for none.
	TenantClaim string
	// Key signs the tokens; nil for one of the issuer's own, which takes a second of
	// a processor to find.
	Key *rsa.PrivateKey
}

// Issuer serves its metadata and mints tokens.
type Issuer struct {
	options Options
	key     *rsa.PrivateKey
	keyID   string
	url     string
}

// New makes an issuer. SetURL must be called before it is of use.
func New(o Options) (*Issuer, error) {
	if o.Key == nil {
		var err error
		if o.Key, err = NewKey(); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(o.Key.N.Bytes())
	return &Issuer{options: o, key: o.Key, keyID: base64.RawURLEncoding.EncodeToString(sum[:9])}, nil
}

// NewKey finds a key.
func NewKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	return key, nil
}

// SetURL says where the issuer is served: its identifier, without a trailing
// slash.
func (i *Issuer) SetURL(url string) { i.url = url }

// URL is the issuer's identifier.
func (i *Issuer) URL() string { return i.url }

// Identity is whom a token is for.
type Identity struct {
	Tenant dcm.TenantID `json:"tenant"`
	User   dcm.UserID   `json:"user"`
	// Permissions is nil for a token that says nothing of them.
	Permissions []dcm.Permission `json:"permissions"`
}

// Mint signs a token for TokenLife.
func (i *Issuer) Mint(who Identity) (dcm.Secret, error) {
	now := i.options.Clock.Now()
	claims := jwt.MapClaims{
		"iss": i.url, "aud": i.options.Audience, "sub": string(who.User),
		"iat": now.Unix(), "exp": now.Add(TokenLife).Unix(),
	}
	if i.options.TenantClaim != "" && who.Tenant != "" {
		claims[i.options.TenantClaim] = string(who.Tenant)
	}
	if who.Permissions != nil {
		claims["permissions"] = who.Permissions
	}
	return i.Sign(claims)
}

// Sign signs any claims, for tests that need a token nobody should accept.
func (i *Issuer) Sign(claims jwt.MapClaims) (dcm.Secret, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = i.keyID
	text, err := token.SignedString(i.key)
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("sign a token: %w", err)
	}
	return dcm.NewSecret(text), nil
}

// ServeHTTP serves the discovery document and the key set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		body = map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/.well-known/jwks.json",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		}
	case "/.well-known/jwks.json":
		body = map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.keyID,
			"n": base64.RawURLEncoding.EncodeToString(i.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(i.key.E)).Bytes()),
		}}}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a client that left gets no answer
}
