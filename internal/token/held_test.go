package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// heldKMS is a KMS whose private key the test holds.
type heldKMS struct {
	key *ecdsa.PrivateKey
	// short asks for signatures whose r or s has a leading zero byte.
	short bool
	// answer, if set, is every signature.
	answer *string
}

func (h *heldKMS) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	if h.answer != nil {
		return &kms.SignOutput{Signature: []byte(*h.answer)}, nil
	}
	for {
		signature, err := ecdsa.SignASN1(rand.Reader, h.key, in.Message)
		// Two numbers of 32 bytes make at least 70; one in 128 has fewer.
		if err != nil || !h.short || len(signature) < 70 {
			return &kms.SignOutput{Signature: signature}, err
		}
	}
}

func (h *heldKMS) GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	public, err := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
	return &kms.GetPublicKeyOutput{PublicKey: public}, err
}
