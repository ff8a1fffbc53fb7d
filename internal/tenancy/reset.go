package tenancy

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Resetter returns tenants to the platform's domain and storage.
type Resetter struct {
	Store dcm.Store
	Clock dcm.Clock
}

// DNS names the tenant's next VMs in the platform's domain. VMs that exist
// keep their names, and the account that wrote them, until they end.
func (r *Resetter) DNS(ctx context.Context, t dcm.TenantID) (dcm.Tenant, error) {
	tenant, err := r.Store.Tenant(t).SetDNSAccount(ctx, nil, r.Clock.Now())
	if err != nil {
		return dcm.Tenant{}, fmt.Errorf("return %s to the platform's DNS: %w", t, err)
	}
	return tenant, nil
}

// Storage keeps the tenant's new workspaces in the platform's bucket. A sweep
// moves the others, and only then is the tenant's own bucket forgotten.
func (r *Resetter) Storage(ctx context.Context, t dcm.TenantID) (dcm.Tenant, error) {
	tenant, err := r.Store.Tenant(t).SetStorageAccount(ctx, nil, r.Clock.Now())
	if err != nil {
		return dcm.Tenant{}, fmt.Errorf("return %s to the platform's storage: %w", t, err)
	}
	return tenant, nil
}
