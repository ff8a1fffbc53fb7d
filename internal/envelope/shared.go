package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

var _ dcm.KeySealer = (*Sealer)(nil)

var errNotShared = errors.New("what has this purpose is sealed under a key of its own")

// sharesKey says what may lie under a tenant's accounts key. A function that
// opens anything else has no business with that key, nor has its role.
func sharesKey(p dcm.Purpose) bool {
	return p == dcm.PurposeProviderCredential || p == dcm.PurposeDNSCredential
}

// accountsKey is the context in which a tenant's accounts key is wrapped.
func accountsKey(t dcm.TenantID) dcm.SealContext {
	return dcm.SealContext{Tenant: t, Purpose: dcm.PurposeAccountsKey, Resource: string(t)}
}

// NewKey makes an accounts key: one KMS call. Every error is a *dcm.Error of
// CodeInternal.
func (e *Sealer) NewKey(ctx context.Context, t dcm.TenantID) (dcm.WrappedKey, error) {
	at := accountsKey(t)
	if err := checkContext(at); err != nil {
		return nil, failed("make an accounts key", err)
	}
	key, err := e.generate(ctx, e.binding(at))
	if err != nil {
		return nil, failed("make an accounts key", err)
	}
	clear(key.Plaintext)
	return key.CiphertextBlob, nil
}

// SealUnder encrypts s under the accounts key of c's tenant: one KMS call.
// Every error is a *dcm.Error of CodeInternal.
func (e *Sealer) SealUnder(ctx context.Context, k dcm.WrappedKey, c dcm.SealContext, s dcm.Secret) (dcm.Sealed, error) {
	const doing = "seal a secret under the accounts key"
	if err := checkContext(c); err != nil {
		return nil, failed(doing, err)
	}
	if !sharesKey(c.Purpose) {
		return nil, failed(doing, fmt.Errorf("%s: %w", c.Purpose, errNotShared))
	}
	key, err := e.unwrap(ctx, k, e.binding(accountsKey(c.Tenant)))
	if err != nil {
		return nil, failed(doing, err)
	}
	defer clear(key)
	sealed, err := e.encrypt(version2, key, k, s, e.binding(c))
	if err != nil {
		return nil, failed(doing, err)
	}
	return sealed, nil
}

// keyContext is the context in which the data key of a sealed value is wrapped.
func keyContext(version byte, c dcm.SealContext) (dcm.SealContext, error) {
	switch {
	case version == version1:
		return c, nil
	case !sharesKey(c.Purpose):
		return dcm.SealContext{}, errNotShared
	default:
		return accountsKey(c.Tenant), nil
	}
}

// refused tells KMS's word on a wrapped key from its being out of reach.
func refused(err error) bool {
	_, invalid := errors.AsType[*types.InvalidCiphertextException](err)
	_, foreign := errors.AsType[*types.IncorrectKeyException](err)
	return invalid || foreign
}
