package dcm

import "context"

// Accounts knows whose credentials, domain and bucket serve a tenant: the
// platform's or the tenant's own. Errors of CodeProviderAuth mean that there is
// no credential to use.
type Accounts interface {
	// Credential opens the tenant's account at the provider.
	Credential(ctx context.Context, t TenantID, provider string) (Credential, error)
	// Domain is where the tenant's next VM gets its name.
	Domain(ctx context.Context, t TenantID) (Domain, error)
	// Zone opens the zone where a VM's records were placed.
	Zone(ctx context.Context, t TenantID, p DNSPlacement) (DNSZone, error)
	// Bucket is where the tenant's backups are.
	Bucket(ctx context.Context, t TenantID) (Bucket, error)
}

// Domain is where names are made: {vm}.{Subdomain}.vm.{Base}.
type Domain struct {
	Base      string
	Subdomain string
	Placement DNSPlacement
}
