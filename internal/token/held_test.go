package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// heldKMS is a KMS whose private key the test holds.
type heldKMS struct{ key *ecdsa.PrivateKey }

func (h *heldKMS) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	signature, err := ecdsa.SignASN1(rand.Reader, h.key, in.Message)
	return &kms.SignOutput{Signature: signature}, err
}

func (h *heldKMS) GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	public, err := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
	return &kms.GetPublicKeyOutput{PublicKey: public}, err
}
