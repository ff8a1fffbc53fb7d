package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// seal seals a token under the tenant's accounts key, so that a launch opens
// all its tokens with one call to KMS. The first token brings the key along. So
// does one that comes when the key was refused, as it is in a table that
// another installation wrote: else the tenant could never bring a token again.
func seal(
	ctx context.Context, s dcm.KeySealer, t dcm.TenantStore, known dcm.WrappedKey,
	at dcm.SealContext, token dcm.Secret, now time.Time,
) (dcm.Sealed, error) {
	if len(known) > 0 {
		sealed, err := s.SealUnder(ctx, known, at, token)
		if !errors.Is(err, dcm.ErrKeyRefused) {
			return sealed, err
		}
	}
	fresh, err := s.NewKey(ctx, at.Tenant)
	if err != nil {
		return nil, err
	}
	kept, err := t.KeepAccountsKey(ctx, fresh, known, now)
	if err != nil {
		return nil, fmt.Errorf("keep the key of the accounts of %s: %w", at.Tenant, err)
	}
	return s.SealUnder(ctx, kept, at, token)
}
