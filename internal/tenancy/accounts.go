// Package tenancy knows tenants: their profile and settings, and whose
// credentials, domain and storage serve them.
package tenancy

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// SecretSource fetches a platform secret on first use and keeps it. An empty
// secret means that the installation has none.
type SecretSource func(context.Context) (dcm.Secret, error)

// Accounts opens the platform's accounts and the tenants' own. It implements
// dcm.Accounts: whose account it is, is always the caller's word, so that one
// tenant's can't be used for another by a default.
type Accounts struct {
	// Providers holds the platform's credential per provider name.
	Providers map[string]SecretSource
	// SSHKeys are the ids of the platform's SSH keys for new servers, per
	// provider name.
	SSHKeys map[string]string
	// DNSToken writes the platform's zone ZoneID, which holds BaseDomain.
	DNSToken   SecretSource
	ZoneID     string
	BaseDomain string
	BucketName string
	// Sealer opens the tenants' own.
	Sealer dcm.Sealer
}

var _ dcm.Accounts = (*Accounts)(nil)

// Credential opens an account at the provider.
func (a *Accounts) Credential(ctx context.Context, t dcm.TenantAccounts, provider string, id dcm.AccountID) (dcm.Credential, error) {
	if id == dcm.PlatformAccount {
		c, err := a.platformCredential(ctx, provider)
		c.Owner, c.Rate = dcm.RateOwner{Provider: provider}, t.PlatformRates[provider]
		return c, err
	}
	own, ok := t.Providers[provider]
	if !ok || own.ID != id {
		return dcm.Credential{}, dcm.Errorf(dcm.CodeProviderAuth, "the tenant's account at %s is gone", provider)
	}
	token, err := a.Sealer.Open(ctx, ProviderContext(t.Tenant.ID, id), own.Sealed)
	if err != nil {
		return dcm.Credential{}, fmt.Errorf("open the tenant's credential for %s: %w", provider, err)
	}
	return dcm.Credential{
		Token: token, ProjectID: own.ProjectID, SSHKeyID: own.SSHKeyID,
		Owner: dcm.RateOwner{Tenant: t.Tenant.ID, Provider: provider, Account: id}, Rate: own.Rate,
	}, nil
}

func (a *Accounts) platformCredential(ctx context.Context, provider string) (dcm.Credential, error) {
	none := dcm.Errorf(dcm.CodeProviderAuth, "there is no credential for %s", provider)
	source := a.Providers[provider]
	if source == nil {
		return dcm.Credential{}, none
	}
	token, err := source(ctx)
	if err != nil {
		return dcm.Credential{}, fmt.Errorf("read the credential for %s: %w", provider, err)
	}
	if token.IsZero() {
		return dcm.Credential{}, none
	}
	return dcm.Credential{Token: token, SSHKeyID: a.SSHKeys[provider]}, nil
}

// Domain names VMs under the tenant's own label in the platform's domain, or
// right under the tenant's own domain.
func (a *Accounts) Domain(t dcm.TenantAccounts) dcm.Domain {
	if own, ok := t.Tenant.DNSAccounts[t.Tenant.DNSID]; ok && t.Tenant.DNSID != dcm.PlatformAccount {
		return dcm.Domain{Base: own.BaseDomain, Placement: dcm.DNSPlacement{ZoneID: own.ZoneID, AccountID: own.ID}}
	}
	return dcm.Domain{Base: a.BaseDomain, Subdomain: string(t.Tenant.ID), Placement: dcm.DNSPlacement{ZoneID: a.ZoneID}}
}

// Zone opens the zone where a VM's records were placed.
func (a *Accounts) Zone(ctx context.Context, t dcm.TenantAccounts, p dcm.DNSPlacement) (dcm.DNSZone, error) {
	if p.AccountID == dcm.PlatformAccount {
		token, err := a.DNSToken(ctx)
		if err != nil {
			return dcm.DNSZone{}, fmt.Errorf("read the DNS credential: %w", err)
		}
		if token.IsZero() {
			return dcm.DNSZone{}, dcm.Errorf(dcm.CodeProviderAuth, "there is no credential for the DNS service")
		}
		return dcm.DNSZone{ZoneID: p.ZoneID, Token: token}, nil
	}
	own, ok := t.Tenant.DNSAccounts[p.AccountID]
	if !ok {
		return dcm.DNSZone{}, dcm.Errorf(dcm.CodeProviderAuth, "the tenant's DNS account is gone")
	}
	token, err := a.Sealer.Open(ctx, DNSContext(t.Tenant.ID, own.ID), own.Sealed)
	if err != nil {
		return dcm.DNSZone{}, fmt.Errorf("open the tenant's DNS credential: %w", err)
	}
	return dcm.DNSZone{ZoneID: own.ZoneID, Token: token}, nil
}

// Bucket opens the platform's bucket, by the function's own role, or the
// tenant's.
func (a *Accounts) Bucket(ctx context.Context, t dcm.TenantAccounts, id dcm.AccountID) (dcm.Bucket, error) {
	if id == dcm.PlatformAccount {
		return dcm.Bucket{Name: a.BucketName}, nil
	}
	own, ok := t.Tenant.StorageAccounts[id]
	if !ok {
		return dcm.Bucket{}, dcm.Errorf(dcm.CodeProviderAuth, "the tenant's storage account is gone")
	}
	secret, err := a.Sealer.Open(ctx, StorageContext(t.Tenant.ID, id), own.Sealed)
	if err != nil {
		return dcm.Bucket{}, fmt.Errorf("open the tenant's storage credential: %w", err)
	}
	return dcm.Bucket{
		Name: own.Bucket, Endpoint: own.Endpoint, Region: own.Region, AccessKeyID: own.AccessKeyID, SecretAccessKey: secret,
	}, nil
}

// ProviderContext is what a provider credential is sealed for.
func ProviderContext(t dcm.TenantID, id dcm.AccountID) dcm.SealContext {
	return dcm.SealContext{Tenant: t, Purpose: dcm.PurposeProviderCredential, Resource: string(id)}
}

// DNSContext is what a DNS credential is sealed for.
func DNSContext(t dcm.TenantID, id dcm.AccountID) dcm.SealContext {
	return dcm.SealContext{Tenant: t, Purpose: dcm.PurposeDNSCredential, Resource: string(id)}
}

// StorageContext is what a storage credential is sealed for.
func StorageContext(t dcm.TenantID, id dcm.AccountID) dcm.SealContext {
	return dcm.SealContext{Tenant: t, Purpose: dcm.PurposeStorageCredential, Resource: string(id)}
}
