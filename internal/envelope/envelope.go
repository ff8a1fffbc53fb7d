// Package envelope seals secrets under KMS: each under a data key of its own,
// with AES-256-GCM, bound to the tenant, the purpose and the item it is for,
// in KMS's encryption context and again as associated data. A sealed value
// moved to another tenant, purpose or item does not open.
package envelope

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// API is what is used of KMS.
type API interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Options configure a Sealer.
type Options struct {
	// KeyID is the symmetric key that wraps the data keys.
	KeyID        string
	Installation string
	// Random gives nonces.
	Random io.Reader
}

// Sealer is a dcm.Sealer.
type Sealer struct {
	api     API
	options Options
}

var _ dcm.Sealer = (*Sealer)(nil)

// New makes a Sealer. It calls nobody.
func New(api API, o Options) *Sealer { return &Sealer{api: api, options: o} }

// A sealed value is: version (1 byte), length of the wrapped key (2 bytes,
// big-endian), the wrapped key, the nonce (12 bytes), the ciphertext and tag.
const (
	version    = 1
	headerSize = 3
	nonceSize  = 12
	// maxWrapped is far above what KMS returns for a 32-byte key.
	maxWrapped = 4096
)

// Seal encrypts a secret under a fresh data key. One KMS call.
func (s *Sealer) Seal(ctx context.Context, c dcm.SealContext, secret dcm.Secret) (dcm.Sealed, error) {
	out, err := s.api.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: aws.String(s.options.KeyID), KeySpec: types.DataKeySpecAes256, EncryptionContext: s.context(c),
	})
	if err != nil {
		return nil, fmt.Errorf("make a data key for %s: %w", c.Purpose, err)
	}
	defer clear(out.Plaintext)
	aead, err := newAEAD(out.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", c.Purpose, err)
	}
	if len(out.CiphertextBlob) > maxWrapped {
		return nil, fmt.Errorf("seal %s: the wrapped key has %d bytes", c.Purpose, len(out.CiphertextBlob))
	}
	sealed := make([]byte, headerSize, headerSize+len(out.CiphertextBlob)+nonceSize+len(secret.Reveal())+aead.Overhead())
	sealed[0] = version
	binary.BigEndian.PutUint16(sealed[1:], uint16(len(out.CiphertextBlob)))
	sealed = append(sealed, out.CiphertextBlob...)
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(s.options.Random, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	sealed = append(sealed, nonce...)
	return aead.Seal(sealed, nonce, []byte(secret.Reveal()), s.associated(c)), nil
}

// Open decrypts. One KMS call, or none for what can't be a sealed value. That
// a value does not open is one error, whatever the reason; that KMS could not
// be asked is another, so that it can be tried again.
func (s *Sealer) Open(ctx context.Context, c dcm.SealContext, sealed dcm.Sealed) (dcm.Secret, error) {
	wrapped, nonce, ciphertext, err := split(sealed)
	if err != nil {
		return dcm.Secret{}, closed(c, err)
	}
	out, err := s.api.Decrypt(ctx, &kms.DecryptInput{
		KeyId: aws.String(s.options.KeyID), CiphertextBlob: wrapped, EncryptionContext: s.context(c),
	})
	if refused(err) {
		return dcm.Secret{}, closed(c, err)
	}
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("unwrap the data key of %s: %w", c.Purpose, err)
	}
	defer clear(out.Plaintext)
	aead, err := newAEAD(out.Plaintext)
	if err != nil {
		return dcm.Secret{}, closed(c, err)
	}
	plain, err := aead.Open(nil, nonce, ciphertext, s.associated(c))
	if err != nil {
		return dcm.Secret{}, closed(c, err)
	}
	defer clear(plain)
	return dcm.NewSecret(string(plain)), nil
}

func split(sealed dcm.Sealed) (wrapped, nonce, ciphertext []byte, err error) {
	if len(sealed) < headerSize || sealed[0] != version {
		return nil, nil, nil, errors.New("not a sealed value")
	}
	n := int(binary.BigEndian.Uint16(sealed[1:]))
	if n == 0 || n > maxWrapped || len(sealed) < headerSize+n+nonceSize {
		return nil, nil, nil, errors.New("a sealed value cut short")
	}
	wrapped = sealed[headerSize : headerSize+n]
	rest := sealed[headerSize+n:]
	return wrapped, rest[:nonceSize], rest[nonceSize:], nil
}

// refused says that KMS looked at the value and would not have it.
func refused(err error) bool {
	if _, ok := errors.AsType[*types.InvalidCiphertextException](err); ok {
		return true
	}
	_, ok := errors.AsType[*types.IncorrectKeyException](err)
	return ok
}

func closed(c dcm.SealContext, cause error) error {
	return dcm.Errorf(dcm.CodeInternal, "a sealed %s does not open", c.Purpose).WithCause(cause)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// context is what KMS binds the data key to, and shows in its audit log.
func (s *Sealer) context(c dcm.SealContext) map[string]string {
	return map[string]string{
		"installation": s.options.Installation, "tenant": string(c.Tenant),
		"purpose": string(c.Purpose), "resource": c.Resource,
	}
}

// associated is the same context as one unambiguous byte string: each part
// behind its length.
func (s *Sealer) associated(c dcm.SealContext) []byte {
	b := []byte{version}
	for _, part := range []string{s.options.Installation, string(c.Tenant), string(c.Purpose), c.Resource} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}
