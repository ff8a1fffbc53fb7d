// Package envelope seals secrets under KMS.
//
// A sealed value is a data key, wrapped by KMS, and the secret, encrypted with
// it. Whose secret it is, what for, and in which item it lies is bound twice:
// as KMS's encryption context and as associated data of the encryption itself.
// A value moved to another tenant, purpose, item or installation does not open,
// even for somebody who may call KMS.
//
// The data key is the value's own, but for the accounts that one launch opens
// together: a tenant's tokens for providers and DNS are under one key, which
// KMS binds to the tenant and to its being that key. What each of them is for,
// and in which item it lies, is bound by the encryption itself.
package envelope

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// KMS is what the envelope needs of KMS.
type KMS interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Options configure a Sealer.
type Options struct {
	KMS KMS
	// KeyID is the symmetric key: an id, an ARN or an alias.
	KeyID string
	// Installation is part of every context.
	Installation string
	// Random makes nonces. Nil is crypto/rand.
	Random io.Reader
}

// Sealer is a dcm.Sealer. It is safe for concurrent use.
type Sealer struct {
	options Options
}

var _ dcm.Sealer = (*Sealer)(nil)

// New makes a Sealer. It calls nobody.
func New(o Options) *Sealer {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Sealer{options: o}
}

// Seal encrypts s under a fresh data key: one KMS call. Every error is a
// *dcm.Error of CodeInternal.
func (e *Sealer) Seal(ctx context.Context, c dcm.SealContext, s dcm.Secret) (dcm.Sealed, error) {
	if err := checkContext(c); err != nil {
		return nil, failed("seal a secret", err)
	}
	binding := e.binding(c)
	key, err := e.generate(ctx, binding)
	if err != nil {
		return nil, failed("seal a secret", err)
	}
	defer clear(key.Plaintext)
	sealed, err := e.encrypt(version1, key.Plaintext, key.CiphertextBlob, s, binding)
	if err != nil {
		return nil, failed("seal a secret", err)
	}
	return sealed, nil
}

// Open decrypts s: one KMS call, or none if the value can't be ours. Every
// error is the same *dcm.Error of CodeInternal, whose cause is for the log.
func (e *Sealer) Open(ctx context.Context, c dcm.SealContext, s dcm.Sealed) (dcm.Secret, error) {
	if err := checkContext(c); err != nil {
		return dcm.Secret{}, failed("open a sealed secret", err)
	}
	parsed, err := parse(s)
	if err != nil {
		return dcm.Secret{}, failed("open a sealed secret", err)
	}
	wrappedFor, err := keyContext(parsed.version, c)
	if err != nil {
		return dcm.Secret{}, failed("open a sealed secret", err)
	}
	key, err := e.unwrap(ctx, parsed.wrappedKey, e.binding(wrappedFor))
	if err != nil {
		return dcm.Secret{}, failed("open a sealed secret", err)
	}
	defer clear(key)
	plain, err := decrypt(parsed, key, associatedData(e.binding(c)))
	if err != nil {
		return dcm.Secret{}, failed("open a sealed secret", err)
	}
	defer clear(plain)
	return dcm.NewSecret(string(plain)), nil
}

// generate has KMS make a data key. Its plain text is the caller's to clear.
func (e *Sealer) generate(ctx context.Context, binding map[string]string) (*kms.GenerateDataKeyOutput, error) {
	key, err := e.options.KMS.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             aws.String(e.options.KeyID),
		KeySpec:           types.DataKeySpecAes256,
		EncryptionContext: binding,
	})
	if err != nil {
		return nil, fmt.Errorf("generate a data key: %w", err)
	}
	return key, nil
}

// unwrap has KMS open a data key, which is the caller's to clear.
func (e *Sealer) unwrap(ctx context.Context, wrapped []byte, binding map[string]string) ([]byte, error) {
	key, err := e.options.KMS.Decrypt(ctx, &kms.DecryptInput{
		CiphertextBlob: wrapped,
		// Naming the key refuses values wrapped under anybody else's.
		KeyId:             aws.String(e.options.KeyID),
		EncryptionContext: binding,
	})
	if refused(err) {
		err = fmt.Errorf("%w: %w", dcm.ErrKeyRefused, err)
	}
	if err != nil {
		return nil, fmt.Errorf("unwrap the data key: %w", err)
	}
	return key.Plaintext, nil
}

func (e *Sealer) encrypt(version byte, key, wrapped []byte, s dcm.Secret, binding map[string]string) (dcm.Sealed, error) {
	plain := []byte(s.Reveal())
	defer clear(plain)
	return encrypt(e.options.Random, version, key, wrapped, plain, associatedData(binding))
}

// binding is the encryption context.
func (e *Sealer) binding(c dcm.SealContext) map[string]string {
	return map[string]string{
		"installation": e.options.Installation,
		"tenant":       string(c.Tenant),
		"purpose":      string(c.Purpose),
		"resource":     c.Resource,
	}
}

// checkContext refuses a context that names less than it should: a value bound
// to nothing would open everywhere.
func checkContext(c dcm.SealContext) error {
	if c.Tenant == "" || c.Purpose == "" || c.Resource == "" {
		return fmt.Errorf("the context of a secret is incomplete: %+v", c)
	}
	return nil
}

// failed hides every reason behind one message.
func failed(doing string, cause error) error {
	return dcm.Errorf(dcm.CodeInternal, "a stored secret could not be used").WithCause(fmt.Errorf("%s: %w", doing, cause))
}
