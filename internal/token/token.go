// Package token issues and verifies the VMs' tokens: JWTs signed with ES256
// (RFC 7518) by a KMS key that never leaves KMS.
package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/golang-jwt/jwt/v5"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// API is what is used of KMS.
type API interface {
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
}

// Options configure Tokens.
type Options struct {
	// KeyID is an ECC_NIST_P256 signing key.
	KeyID string
	// Installation is the issuer.
	Installation string
	Clock        dcm.Clock
}

// Tokens is a dcm.Tokens. It asks for the public key once.
type Tokens struct {
	api     API
	options Options

	mu  sync.Mutex
	key *ecdsa.PublicKey
}

var _ dcm.Tokens = (*Tokens)(nil)

// New makes Tokens. It calls nobody.
func New(api API, o Options) *Tokens { return &Tokens{api: api, options: o} }

// leeway is how far two of our own clocks may differ.
const leeway = 30 * time.Second

// maxTokenBytes is far above any token we issue.
const maxTokenBytes = 4096

// claims are a token's claims in JSON.
type claims struct {
	jwt.RegisteredClaims
	Tenant dcm.TenantID `json:"tenant_id"`
}

// Issue signs a token. One KMS call.
func (t *Tokens) Issue(ctx context.Context, c dcm.TokenClaims) (dcm.Secret, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.options.Installation, Subject: string(c.VM), Audience: jwt.ClaimStrings{string(c.Audience)},
			IssuedAt: jwt.NewNumericDate(c.IssuedAt), ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		Tenant: c.Tenant,
	})
	text, err := unsigned.SigningString()
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("encode a token for %s: %w", c.VM, err)
	}
	digest := sha256.Sum256([]byte(text))
	out, err := t.api.Sign(ctx, &kms.SignInput{
		KeyId: aws.String(t.options.KeyID), Message: digest[:], MessageType: types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("sign a token for %s: %w", c.VM, err)
	}
	signature, err := rawSignature(out.Signature)
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("sign a token for %s: %w", c.VM, err)
	}
	return dcm.NewSecret(text + "." + unsigned.EncodeSegment(signature)), nil
}

// rawSignature turns KMS's DER into what a JWT holds: r and s, 32 bytes each.
func rawSignature(der []byte) ([]byte, error) {
	var s struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &s); err != nil || len(rest) != 0 {
		return nil, errors.New("the signature is not an ECDSA signature")
	}
	if s.R.Sign() <= 0 || s.S.Sign() <= 0 || s.R.BitLen() > 256 || s.S.BitLen() > 256 {
		return nil, errors.New("the signature is not of curve P-256")
	}
	raw := make([]byte, 64)
	s.R.FillBytes(raw[:32])
	s.S.FillBytes(raw[32:])
	return raw, nil
}

// Verify returns the claims of a genuine token. No KMS call but the first.
func (t *Tokens) Verify(ctx context.Context, token dcm.Secret, a dcm.Audience) (dcm.TokenClaims, error) {
	key, err := t.publicKey(ctx)
	if err != nil {
		return dcm.TokenClaims{}, err
	}
	if len(token.Reveal()) > maxTokenBytes {
		return dcm.TokenClaims{}, refuse(errors.New("it is too long"))
	}
	var c claims
	_, err = jwt.ParseWithClaims(token.Reveal(), &c,
		func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithIssuer(t.options.Installation), jwt.WithAudience(string(a)),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(t.options.Clock.Now), jwt.WithStrictDecoding(),
	)
	if err != nil {
		return dcm.TokenClaims{}, refuse(err)
	}
	vm := dcm.VMID(c.Subject)
	if !vm.Valid() || !c.Tenant.Valid() || len(c.Audience) != 1 || c.IssuedAt == nil {
		return dcm.TokenClaims{}, refuse(errors.New("its claims are not those of a VM"))
	}
	return dcm.TokenClaims{
		Audience: a, Tenant: c.Tenant, VM: vm, IssuedAt: c.IssuedAt.Time, ExpiresAt: c.ExpiresAt.Time,
	}, nil
}

// refuse is the one answer to every bad token. The cause is for the log, and
// golang-jwt's causes do not repeat the token.
func refuse(cause error) error {
	return dcm.Errorf(dcm.CodeUnauthenticated, "the token is not valid").WithCause(cause)
}

// Warm fetches the public key ahead of the first request.
func (t *Tokens) Warm(ctx context.Context) error {
	_, err := t.publicKey(ctx)
	return err
}

// publicKey fetches the key once. A failed fetch is not kept.
func (t *Tokens) publicKey(ctx context.Context) (*ecdsa.PublicKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key != nil {
		return t.key, nil
	}
	out, err := t.api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(t.options.KeyID)})
	if err != nil {
		return nil, fmt.Errorf("fetch the tokens' public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("parse the tokens' public key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("the tokens' public key is not of curve P-256")
	}
	t.key = key
	return key, nil
}
