// Package tenancy knows tenants: their profile, and whose credentials, domain
// and storage serve them.
package tenancy

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// SecretSource fetches a platform secret on first use and keeps it. An empty
// secret means that the installation has none.
type SecretSource func(context.Context) (dcm.Secret, error)

// Platform serves every tenant with the installation's own credentials,
// domain and bucket. It implements dcm.Accounts.
type Platform struct {
	// Providers holds a credential per provider name.
	Providers map[string]SecretSource
	// DNSToken writes the zone ZoneID, which holds BaseDomain.
	DNSToken   SecretSource
	ZoneID     string
	BaseDomain string
	BucketName string
	// FlatNames leaves the tenant out of host names: for an installation that
	// has only one.
	FlatNames bool
}

var _ dcm.Accounts = (*Platform)(nil)

// Credential returns the platform's credential for the provider.
func (p *Platform) Credential(ctx context.Context, _ dcm.TenantID, provider string) (dcm.Credential, error) {
	source := p.Providers[provider]
	if source == nil {
		return dcm.Credential{}, dcm.Errorf(dcm.CodeProviderAuth, "there is no credential for %s", provider)
	}
	token, err := source(ctx)
	if err != nil {
		return dcm.Credential{}, fmt.Errorf("read the credential for %s: %w", provider, err)
	}
	if token.IsZero() {
		return dcm.Credential{}, dcm.Errorf(dcm.CodeProviderAuth, "there is no credential for %s", provider)
	}
	return dcm.Credential{Token: token}, nil
}

// Domain names VMs under the tenant's own label.
func (p *Platform) Domain(_ context.Context, t dcm.TenantID) (dcm.Domain, error) {
	d := dcm.Domain{Base: p.BaseDomain, Subdomain: string(t), Placement: dcm.DNSPlacement{ZoneID: p.ZoneID}}
	if p.FlatNames {
		d.Subdomain = ""
	}
	return d, nil
}

// Zone opens the platform's zone.
func (p *Platform) Zone(ctx context.Context, _ dcm.TenantID, placed dcm.DNSPlacement) (dcm.DNSZone, error) {
	token, err := p.DNSToken(ctx)
	if err != nil {
		return dcm.DNSZone{}, fmt.Errorf("read the DNS credential: %w", err)
	}
	if token.IsZero() {
		return dcm.DNSZone{}, dcm.Errorf(dcm.CodeProviderAuth, "there is no credential for the DNS service")
	}
	return dcm.DNSZone{ZoneID: placed.ZoneID, Token: token}, nil
}

// Bucket is the platform's bucket, opened by the function's own role.
func (p *Platform) Bucket(context.Context, dcm.TenantID) (dcm.Bucket, error) {
	return dcm.Bucket{Name: p.BucketName}, nil
}
