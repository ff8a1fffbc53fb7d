// Package token issues and verifies the VMs' tokens: ES256 JWTs signed by a
// KMS key that never leaves KMS.
//
// Verifying costs no call once the key's public half is known. It accepts one
// algorithm, one key, one issuer and one audience, and says the same of
// everything else: a caller learns nothing from which check failed.
package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/golang-jwt/jwt/v5"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Leeway is how far clocks may differ; AWS's differ by less.
const Leeway = 5 * time.Second

// maxTokenBytes bounds what is parsed: ours have under 600.
const maxTokenBytes = 4096

// KMS is what tokens need of KMS.
type KMS interface {
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
}

// Options configure Tokens.
type Options struct {
	KMS KMS
	// KeyID is the ECC_NIST_P256 key: an id, an ARN or an alias.
	KeyID string
	// Installation is every token's issuer.
	Installation string
	// Clock decides what has expired. Nil is the system's.
	Clock dcm.Clock
}

// Tokens is a dcm.Tokens. It is safe for concurrent use.
type Tokens struct {
	options Options
	// kid names the key without telling its ARN.
	kid string

	mu     sync.Mutex
	public *ecdsa.PublicKey
}

var _ dcm.Tokens = (*Tokens)(nil)

// New makes Tokens. It calls nobody; see Warm.
func New(o Options) *Tokens {
	if o.Clock == nil {
		o.Clock = dcm.SystemClock{}
	}
	sum := sha256.Sum256([]byte(o.KeyID))
	return &Tokens{options: o, kid: hex.EncodeToString(sum[:8])}
}

// claims are a token's, on the wire.
type claims struct {
	jwt.RegisteredClaims
	Tenant dcm.TenantID `json:"tenant_id"`
}

// Issue signs a token: one KMS call. A zero IssuedAt is now. Times are cut to
// seconds. Every error is a *dcm.Error of CodeInternal.
func (t *Tokens) Issue(ctx context.Context, c dcm.TokenClaims) (dcm.Secret, error) {
	if c.IssuedAt.IsZero() {
		c.IssuedAt = t.options.Clock.Now()
	}
	if err := checkClaims(c); err != nil {
		return dcm.Secret{}, internal(fmt.Errorf("issue a token: %w", err))
	}
	token := jwt.NewWithClaims(kmsSigning{}, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    t.options.Installation,
			Audience:  jwt.ClaimStrings{string(c.Audience)},
			Subject:   string(c.VM),
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			NotBefore: jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		Tenant: c.Tenant,
	})
	token.Header["kid"] = t.kid
	text, err := token.SignedString(signer{ctx: ctx, kms: t.options.KMS, keyID: t.options.KeyID})
	if err != nil {
		return dcm.Secret{}, internal(fmt.Errorf("sign a token: %w", err))
	}
	return dcm.NewSecret(text), nil
}

// Verify returns a token's claims. CodeUnauthenticated, always with the same
// message: it is not one of ours for this audience, now. CodeInternal: the
// public key could not be fetched, so that nothing can be said of the token.
func (t *Tokens) Verify(ctx context.Context, token dcm.Secret, a dcm.Audience) (dcm.TokenClaims, error) {
	if len(token.Reveal()) > maxTokenBytes {
		return dcm.TokenClaims{}, unauthenticated(fmt.Errorf("the token has %d bytes", len(token.Reveal())))
	}
	public, err := t.publicKey(ctx)
	if err != nil {
		return dcm.TokenClaims{}, internal(err)
	}
	var c claims
	parsed, err := t.parser(a).ParseWithClaims(token.Reveal(), &c, t.keyFor(public))
	if err != nil {
		return dcm.TokenClaims{}, unauthenticated(err)
	}
	if !parsed.Valid || len(c.Audience) != 1 || c.IssuedAt == nil {
		return dcm.TokenClaims{}, unauthenticated(errors.New("the token's claims are not complete"))
	}
	verified := dcm.TokenClaims{
		Audience: a, Tenant: c.Tenant, VM: dcm.VMID(c.Subject), IssuedAt: c.IssuedAt.Time.UTC(), ExpiresAt: c.ExpiresAt.Time.UTC(),
	}
	if err := checkClaims(verified); err != nil {
		return dcm.TokenClaims{}, unauthenticated(err)
	}
	return verified, nil
}

func (t *Tokens) parser(a dcm.Audience) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithIssuer(t.options.Installation),
		jwt.WithAudience(string(a)),
		jwt.WithExpirationRequired(),
		jwt.WithNotBeforeRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(t.options.Clock.Now),
		jwt.WithStrictDecoding(),
	)
}

// keyFor refuses headers that ask for more than we do.
func (t *Tokens) keyFor(public *ecdsa.PublicKey) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		if kid, _ := token.Header["kid"].(string); kid != t.kid {
			return nil, errors.New("the token names another key")
		}
		if _, critical := token.Header["crit"]; critical {
			return nil, errors.New("the token has critical extensions")
		}
		return public, nil
	}
}

func checkClaims(c dcm.TokenClaims) error {
	switch {
	case c.Audience != dcm.AudienceBootstrap && c.Audience != dcm.AudienceVM:
		return fmt.Errorf("the audience %q is not one of ours", c.Audience)
	case !c.VM.Valid():
		return fmt.Errorf("the subject %q is not a VM's id", c.VM)
	case !c.Tenant.Valid():
		return fmt.Errorf("the tenant id %q is not one", c.Tenant)
	case !c.ExpiresAt.After(c.IssuedAt):
		return errors.New("the token expires before it is issued")
	}
	return nil
}

func unauthenticated(cause error) error {
	return dcm.Errorf(dcm.CodeUnauthenticated, "the token is not valid").WithCause(cause)
}

func internal(cause error) error {
	return dcm.Errorf(dcm.CodeInternal, "tokens are not available").WithCause(cause)
}
