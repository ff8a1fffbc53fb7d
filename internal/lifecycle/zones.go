package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// forgetZones drops the DNS accounts that were replaced, once no VM needs one
// to withdraw its records, and returns when to look again; zero for never. A
// launch uses only the account that is current when it is written down, so that
// nothing new comes to depend on the others.
func (f *Followers) forgetZones(ctx context.Context, t dcm.Tenant) (time.Time, error) {
	replaced := map[dcm.AccountID]bool{}
	for id := range t.DNSAccounts {
		if id != t.DNSID {
			replaced[id] = true
		}
	}
	if len(replaced) == 0 {
		return time.Time{}, nil
	}
	now := f.Clock.Now()
	// The list of VMs may lag: the newest of them must be in it.
	if settled := t.UpdatedAt.Add(dcm.LaunchDeadline); now.Before(settled) {
		return settled.Add(time.Second), nil
	}
	store := f.Store.Tenant(t.ID)
	needed, err := zonesInUse(ctx, store, t.ActiveVMs)
	if err != nil {
		return time.Time{}, err
	}
	again := time.Time{}
	for id := range replaced {
		if needed[id] {
			again = now.Add(heldRetry)
			continue
		}
		if err := store.ForgetAccount(ctx, id); err != nil && !errors.Is(err, dcm.ErrLostRace) {
			return time.Time{}, fmt.Errorf("forget DNS account %s: %w", id, err)
		}
	}
	return again, nil
}

// zonesInUse are the accounts that opened the zones of the tenant's active
// VMs, of which there are so many.
func zonesInUse(ctx context.Context, store dcm.TenantStore, active int) (map[dcm.AccountID]bool, error) {
	used := map[dcm.AccountID]bool{}
	for cursor := ""; active > 0; {
		page, err := store.VMs(ctx, dcm.VMQuery{Limit: followPage, Cursor: cursor})
		if err != nil {
			return nil, fmt.Errorf("list the VMs: %w", err)
		}
		for _, vm := range page.Items {
			if vm.Status.Active() {
				used[vm.DNS.AccountID] = true
				active--
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	return used, nil
}
