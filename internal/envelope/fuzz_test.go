package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
)

// fixedKMS wraps every data key as the same text and unwraps anything: what it
// lets through must be refused by the envelope itself.
type fixedKMS struct{}

func (fixedKMS) GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error) {
	return &kms.GenerateDataKeyOutput{Plaintext: fixedKey(), CiphertextBlob: []byte("wrapped")}, nil
}

func (fixedKMS) Decrypt(_ context.Context, in *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	if len(in.CiphertextBlob) == 0 {
		return nil, errors.New("nothing to unwrap")
	}
	return &kms.DecryptOutput{Plaintext: fixedKey()}, nil
}

func fixedKey() []byte { return bytes.Repeat([]byte{7}, 32) }

// FuzzOpen looks for a value that opens without being the one sealed, or that
// ends the program.
func FuzzOpen(f *testing.F) {
	// Fixed randomness: every worker must seal the same value.
	s := envelope.New(envelope.Options{
		KMS: fixedKMS{}, KeyID: "data", Installation: "test", Random: bytes.NewReader(make([]byte, 24)),
	})
	sealed := mustSeal(f, s, "secret")
	under := mustSealUnder(f, s, dcm.WrappedKey("wrapped"), token(), "shared secret")
	f.Add([]byte(sealed))
	f.Add([]byte(under))
	f.Add([]byte{})
	f.Add([]byte{1, 0, 7})
	f.Add([]byte{1, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, only := range []struct {
			at     dcm.SealContext
			value  dcm.Sealed
			secret string
		}{{here(), sealed, "secret"}, {token(), under, "shared secret"}} {
			opened, err := s.Open(context.Background(), only.at, dcm.Sealed(value))
			switch {
			case bytes.Equal(value, only.value):
				if err != nil || opened.Reveal() != only.secret {
					t.Fatalf("the sealed value itself: %v", err)
				}
			case err == nil:
				t.Fatalf("%x opened as %s", value, only.at.Purpose)
			}
		}
	})
}
