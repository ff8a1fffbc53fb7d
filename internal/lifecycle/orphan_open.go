package lifecycle

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// open opens the account where the thing was found.
func (o *Orphans) open(ctx context.Context, found dcm.Orphan) (stray, error) {
	var accounts dcm.TenantAccounts
	if found.AccountID != dcm.PlatformAccount {
		var err error
		if accounts, err = o.Store.Tenant(found.Tenant).Accounts(ctx); err != nil {
			return stray{}, fmt.Errorf("read the accounts of %s: %w", found.Tenant, err)
		}
	}
	switch found.Kind {
	case dcm.OrphanServer:
		return o.openServer(ctx, accounts, found)
	case dcm.OrphanDNSRecord:
		return o.openRecord(ctx, accounts, found)
	case dcm.OrphanUpload:
		return o.openUpload(ctx, accounts, found)
	}
	return stray{}, fmt.Errorf("an orphan %s has the unknown kind %q", found.ExternalID, found.Kind)
}

func (o *Orphans) openServer(ctx context.Context, accounts dcm.TenantAccounts, found dcm.Orphan) (stray, error) {
	provider := o.Providers[found.Service]
	if provider == nil {
		return stray{}, fmt.Errorf("provider %q has no adapter", found.Service)
	}
	credential, err := o.Accounts.Credential(ctx, accounts, found.Service, found.AccountID)
	if err != nil {
		return stray{}, fmt.Errorf("open the credential for %s: %w", found.Service, err)
	}
	look := func(ctx context.Context) (sight, error) {
		server, err := provider.GetVM(ctx, credential, dcm.ServerRef{ID: found.ExternalID})
		if err != nil {
			return foreign, fmt.Errorf("ask for server %s: %w", found.ExternalID, err)
		}
		if server == nil {
			return gone, nil
		}
		t, v, ok := dcm.ServerOwner(o.Installation, server.Labels)
		return sightOf(ok && t == found.Tenant && v == found.VM), nil
	}
	remove := func(ctx context.Context) error { return provider.DeleteVM(ctx, credential, found.ExternalID) }
	return stray{look, remove}, nil
}

func (o *Orphans) openRecord(ctx context.Context, accounts dcm.TenantAccounts, found dcm.Orphan) (stray, error) {
	place := dcm.DNSPlacement{ZoneID: accounts.Tenant.DNSAccounts[found.AccountID].ZoneID, AccountID: found.AccountID}
	if found.AccountID == dcm.PlatformAccount {
		place = o.Accounts.Domain(dcm.TenantAccounts{}).Placement
	}
	zone, err := o.Accounts.Zone(ctx, accounts, place)
	if err != nil {
		return stray{}, fmt.Errorf("open the DNS zone: %w", err)
	}
	comment := dcm.DNSComment(o.Installation, found.Tenant, found.VM)
	look := func(ctx context.Context) (sight, error) {
		records, err := o.DNS.Find(ctx, zone, comment, false)
		if dcm.KindOf(err) == dcm.KindNotFound {
			// The whole zone is gone, and every record with it.
			return gone, nil
		}
		if err != nil {
			return foreign, fmt.Errorf("look for DNS record %s: %w", found.ExternalID, err)
		}
		for _, r := range records {
			if r.ID == found.ExternalID {
				t, v, ok := dcm.DNSOwner(o.Installation, r)
				return sightOf(ok && t == found.Tenant && v == found.VM), nil
			}
		}
		return gone, nil
	}
	remove := func(ctx context.Context) error { return o.DNS.Withdraw(ctx, zone, found.ExternalID) }
	return stray{look, remove}, nil
}

func (o *Orphans) openUpload(ctx context.Context, accounts dcm.TenantAccounts, found dcm.Orphan) (stray, error) {
	bucket, err := o.Accounts.Bucket(ctx, accounts, found.AccountID)
	if err != nil {
		return stray{}, fmt.Errorf("open the bucket: %w", err)
	}
	look := func(ctx context.Context) (sight, error) {
		uploads, err := o.Storage.ListUploads(ctx, bucket, found.Name)
		if dcm.KindOf(err) == dcm.KindNotFound {
			return gone, nil // the whole bucket is
		}
		if err != nil {
			return foreign, fmt.Errorf("look for upload %s: %w", found.ExternalID, err)
		}
		for _, u := range uploads {
			if u.Key == found.Name && u.UploadID == found.ExternalID {
				return ours, nil
			}
		}
		return gone, nil
	}
	remove := func(ctx context.Context) error {
		return o.Storage.AbortUpload(ctx, bucket, dcm.UploadRef{Key: found.Name, UploadID: found.ExternalID})
	}
	return stray{look, remove}, nil
}

// sightOf is for what the service does know.
func sightOf(isOurs bool) sight {
	if isOurs {
		return ours
	}
	return foreign
}
