package dcm

import (
	"context"
	"errors"
	"io"
)

// Sealed is a secret sealed under KMS. It opens only for the SealContext it
// was sealed for.
type Sealed []byte

// Purpose says what a sealed value is.
type Purpose string

// The purposes.
const (
	PurposeTerminalPassword   Purpose = "terminal-password"
	PurposeWorkspaceKey       Purpose = "workspace-key"
	PurposeProviderCredential Purpose = "provider-credential"
	PurposeDNSCredential      Purpose = "dns-credential"
	PurposeStorageCredential  Purpose = "storage-credential"
	// PurposeAccountsKey is that of a tenant's WrappedKey. Its resource is the
	// tenant's id.
	PurposeAccountsKey Purpose = "accounts-key"
)

// SealContext is bound to a sealed value, in KMS and as associated data.
// Resource names the item the value lies in. The installation is added by the
// adapter.
type SealContext struct {
	Tenant   TenantID
	Purpose  Purpose
	Resource string
}

// Sealer seals secrets. Each call costs one KMS call.
type Sealer interface {
	// Seal encrypts under a data key of its own.
	Seal(ctx context.Context, c SealContext, s Secret) (Sealed, error)
	// Open decrypts. Any mismatch of context, a tampered value or an unknown
	// format is one opaque error of CodeInternal.
	Open(ctx context.Context, c SealContext, s Sealed) (Secret, error)
}

// WrappedKey is a tenant's accounts key, as KMS wrapped it: the data key of all
// its own accounts that a launch opens, so that one KMS call opens them all.
type WrappedKey []byte

// ErrKeyRefused means that KMS does not know a WrappedKey as the tenant's.
var ErrKeyRefused = errors.New("the wrapped key is not the tenant's")

// KeySealer seals under a tenant's accounts key. What it seals is bound to its
// SealContext like everything else, and a Sealer opens it. Each call costs one
// KMS call.
type KeySealer interface {
	// NewKey makes an accounts key.
	NewKey(ctx context.Context, t TenantID) (WrappedKey, error)
	// SealUnder encrypts under the accounts key of c's tenant. The purpose is
	// PurposeProviderCredential or PurposeDNSCredential. ErrKeyRefused.
	SealUnder(ctx context.Context, k WrappedKey, c SealContext, s Secret) (Sealed, error)
}

// IdentityMaker makes age identities, the keys of workspaces.
type IdentityMaker interface {
	// NewIdentity returns an identity (AGE-SECRET-KEY-1…) and the recipient
	// that encrypts to it (age1…).
	NewIdentity() (identity Secret, recipient string, err error)
}

// Reencrypter moves a backup from one key to another.
type Reencrypter interface {
	// Reencrypt decrypts src with an age identity and writes it to dst,
	// encrypted to the recipient, as a stream: its memory does not depend on
	// the size. An error leaves dst incomplete.
	Reencrypt(dst io.Writer, src io.Reader, identity Secret, recipient string) error
}
