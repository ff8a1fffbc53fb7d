package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// releaseServer deletes the server and asks the provider again.
func (r *Releaser) releaseServer(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, receipt *dcm.Receipt) error {
	provider := r.Providers[vm.Provider]
	if provider == nil {
		return fmt.Errorf("provider %q has no adapter", vm.Provider)
	}
	credential, err := r.Accounts.Credential(ctx, accounts, vm.Provider, vm.AccountID)
	if err != nil {
		return fmt.Errorf("open the credential for %s: %w", vm.Provider, err)
	}
	id := vm.ProviderID
	if id == "" {
		found, err := provider.GetVM(ctx, credential, dcm.ServerRef{Name: vm.ID.ServerName()})
		if err != nil {
			return fmt.Errorf("look for the server of %s: %w", vm.ID, err)
		}
		if found == nil || !vm.OwnsServer(r.Installation, found.Labels) {
			r.confirm(receipt)
			return nil
		}
		id = found.ID
	}
	receipt.ServerID = id
	before := *receipt
	r.ask(receipt)
	if err := provider.DeleteVM(ctx, credential, id); err != nil {
		if _, limited := limitWait(err); limited {
			// Nothing was asked: there was no request left to ask it with.
			*receipt = before
		}
		return fmt.Errorf("delete server %s: %w", id, err)
	}
	left, err := provider.GetVM(ctx, credential, dcm.ServerRef{ID: id})
	if err != nil {
		return fmt.Errorf("confirm that server %s is gone: %w", id, err)
	}
	if left != nil {
		return fmt.Errorf("server %s is %s: %w", id, left.Status, ErrNotGone)
	}
	r.confirm(receipt)
	return nil
}

// releaseDNS withdraws the VM's records with two calls: one finds what carries
// its comment, also records whose ids were in an answer that was lost and
// challenges for its certificate, and one withdraws it all. A record that it
// knows and doesn't find is gone, or has another comment by somebody's hand.
func (r *Releaser) releaseDNS(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, receipt *dcm.Receipt) error {
	zone, err := r.Accounts.Zone(ctx, accounts, vm.DNS)
	if err != nil {
		return fmt.Errorf("open the DNS zone: %w", err)
	}
	records, err := r.DNS.Find(ctx, zone, dcm.DNSComment(r.Installation, vm.TenantID, vm.ID), false)
	if dcm.KindOf(err) == dcm.KindNotFound {
		// The whole zone is gone, and every record with it.
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the DNS records of %s: %w", vm.ID, err)
	}
	found := make([]string, len(records))
	for i, record := range records {
		found[i] = record.ID
	}
	if err := r.withdraw(ctx, zone, receipt, found...); err != nil {
		return err
	}
	for _, id := range vm.DNS.RecordIDs {
		if slices.Contains(found, id) {
			continue
		}
		if err := r.withdraw(ctx, zone, receipt, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *Releaser) withdraw(ctx context.Context, zone dcm.DNSZone, receipt *dcm.Receipt, ids ...string) error {
	if err := r.DNS.Withdraw(ctx, zone, ids...); err != nil && dcm.KindOf(err) != dcm.KindNotFound {
		return fmt.Errorf("withdraw DNS records %q: %w", ids, err)
	}
	for _, id := range ids {
		withdrawn(receipt, id)
	}
	return nil
}

// settleUpload ends an upload the VM left behind: one that was complete
// becomes the workspace's backup, any other is aborted.
func (r *Releaser) settleUpload(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts, _ *dcm.Receipt) error {
	if vm.Upload == nil {
		return nil
	}
	return settler{r.Common, r.Accounts, r.Storage}.settle(ctx, vm, accounts)
}
