package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/golang-jwt/jwt/v5"
)

// Warm fetches the public key, so that the first Verify needs no call. An
// error is not kept: the next Verify tries again.
func (t *Tokens) Warm(ctx context.Context) error {
	_, err := t.publicKey(ctx)
	return err
}

// publicKey fetches the key once. Whoever comes meanwhile waits for it.
func (t *Tokens) publicKey(ctx context.Context) (*ecdsa.PublicKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.public != nil {
		return t.public, nil
	}
	out, err := t.options.KMS.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(t.options.KeyID)})
	if err != nil {
		return nil, fmt.Errorf("get the token key's public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("parse the token key's public key: %w", err)
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("the token key is not an ECC_NIST_P256 key")
	}
	t.public = public
	return public, nil
}

// signer is the key that kmsSigning signs with.
type signer struct {
	ctx   context.Context
	kms   KMS
	keyID string
}

// kmsSigning is ES256 whose private key is in KMS.
type kmsSigning struct{}

var _ jwt.SigningMethod = kmsSigning{}

// Alg returns ES256.
func (kmsSigning) Alg() string { return jwt.SigningMethodES256.Alg() }

// Verify is ES256's own.
func (kmsSigning) Verify(text string, signature []byte, key any) error {
	return jwt.SigningMethodES256.Verify(text, signature, key)
}

// Sign sends the digest to KMS and returns r and s, 32 bytes each, as JWS
// wants them.
func (kmsSigning) Sign(text string, key any) ([]byte, error) {
	s, ok := key.(signer)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	digest := sha256.Sum256([]byte(text))
	out, err := s.kms.Sign(s.ctx, &kms.SignInput{
		KeyId:            aws.String(s.keyID),
		Message:          digest[:],
		MessageType:      types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, err
	}
	return rawSignature(out.Signature)
}

// rawSignature turns KMS's DER into r and s side by side.
func rawSignature(der []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) != 0 {
		return nil, errors.New("KMS's signature is not an ECDSA signature")
	}
	const size = 32
	if pair.R.Sign() <= 0 || pair.S.Sign() <= 0 || pair.R.BitLen() > 8*size || pair.S.BitLen() > 8*size {
		return nil, errors.New("KMS's signature is not one on P-256")
	}
	raw := make([]byte, 2*size)
	pair.R.FillBytes(raw[:size])
	pair.S.FillBytes(raw[size:])
	return raw, nil
}
