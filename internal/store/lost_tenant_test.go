package store_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// TestLostTenantAnswer is TestLostAnswer for what changes a tenant, its accounts
// and its workspaces: none of it is done twice, or said to have lost a race
// with itself.
func TestLostTenantAnswer(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := clocktest.New(storetest.Start())
		var wire lossy
		c := b.client(b.endpoint(t, clock), wire.attach)
		table := aws.String(newTable(t, c))
		acme := store.New(c, store.Options{Table: *table, Clock: clock}).Tenant("acme")
		ctx, now := t.Context(), clock.Now()
		losing := func(step func() error) {
			t.Helper()
			before := wire.lost.Load()
			wire.armed.Store(true)
			must(t, step())
			if wire.lost.Load() != before+1 {
				t.Fatal("no answer was lost")
			}
		}
		quotas := dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 1000}
		losing(func() error { _, err := acme.SetQuotas(ctx, quotas, quotas, now); return err })
		quotas.MaxMonthlySpend = 2000
		losing(func() error { _, err := acme.SetQuotas(ctx, quotas, quotas, now); return err })
		losing(func() error { return acme.SettleTenant(ctx, now, now.Add(1e9)) })
		losing(func() error {
			kept, err := acme.KeepAccountsKey(ctx, dcm.WrappedKey("k1"), nil, now)
			if string(kept) != "k1" {
				t.Errorf("kept %q", kept)
			}
			return err
		})
		losing(func() error {
			return acme.PutProviderAccount(ctx, dcm.ProviderAccount{ID: someAccount, Provider: "hetzner"}, "")
		})
		losing(func() error {
			return acme.PutProviderAccount(ctx, dcm.ProviderAccount{ID: "ac-2", Provider: "hetzner"}, someAccount)
		})
		losing(func() error { return acme.NoteProviderAccount(ctx, "hetzner", "ac-2", now, nil) })
		losing(func() error { return acme.AddEvent(ctx, someEvent("ev-bbbbbbbbbb")) })

		i := someIntent()
		i.VM.AccountID, i.VM.Reserved = "ac-2", 700
		losing(func() error { return acme.CreateVM(ctx, i) })
		backup := dcm.Backup{Generation: 1, SizeBytes: 100, KeyVersion: 2, TakenAt: now}
		losing(func() error { return acme.AdvanceGeneration(ctx, someVM, someWorkspace, backup) })
		stopping := dcm.StatusStopping
		_, err := acme.ChangeVM(ctx, someVM, dcm.VMChange{From: dcm.Statuses[:2], Status: &stopping})
		must(t, err)
		losing(func() error {
			return acme.FinishVM(ctx, dcm.Finish{
				VM: someVM, Workspace: someWorkspace, At: now, Provider: "hetzner", AccountID: "ac-2", Reserved: 700,
				Receipt: dcm.Receipt{Usage: []dcm.Usage{{Month: "2026-11", Provider: "hetzner", Size: dcm.SizeSmall, VMSeconds: 9, Cost: 300}}},
			})
		})
		known, err := acme.Accounts(ctx)
		must(t, err)
		if known.Tenant.Spend.Spent != 300 || known.Tenant.Spend.Reserved != 0 || known.Tenant.ActiveVMs != 0 ||
			known.Tenant.StorageBytes != 100 || known.Providers["hetzner"].ActiveVMs != 0 {
			t.Errorf("something was done twice: %+v", known)
		}
		losing(func() error { return acme.RemoveProviderAccount(ctx, "hetzner") })
		stray := dcm.Orphan{
			Kind: dcm.OrphanServer, Tenant: "acme", ExternalID: "1", VM: someVM, CreatedAt: now, FoundAt: now, ConfirmedAt: &now, Minutes: 9,
		}
		losing(func() error { return acme.NoteOrphan(ctx, stray) })
		losing(func() error { return acme.SettleOrphan(ctx, stray) })
		ended, err := acme.VM(ctx, someVM)
		must(t, err)
		if ended.OrphanMinutes != 9 {
			t.Errorf("the server outlived its VM by %d minutes", ended.OrphanMinutes)
		}

		losing(func() error {
			_, err := acme.ChangeWorkspace(ctx, someWorkspace, dcm.WorkspaceChange{
				IfTask: ptr(dcm.NoTask), Task: &dcm.WorkspaceTask{Kind: dcm.TaskDelete},
			})
			return err
		})
		must(t, acme.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1, CreatedAt: now}))
		must(t, acme.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 2, CreatedAt: now}))
		smaller := backup
		smaller.SizeBytes = 60
		losing(func() error { return acme.ReplaceBackup(ctx, someWorkspace, backup, smaller) })
		known, err = acme.Accounts(ctx)
		must(t, err)
		if known.Tenant.StorageBytes != 60 {
			t.Errorf("%d bytes are stored", known.Tenant.StorageBytes)
		}
		losing(func() error { return acme.RetireKeys(ctx, someWorkspace, 2) })
		losing(func() error { return acme.DropWorkspace(ctx, someWorkspace, now) })
		known, err = acme.Accounts(ctx)
		must(t, err)
		used, err := acme.Usage(ctx, "2026-11")
		must(t, err)
		if known.Tenant.StorageBytes != 0 || used.Cost != 300 || used.VMs[0].VMsStarted != 1 {
			t.Errorf("something was done twice: %+v %+v", known.Tenant, used)
		}

		// The room that the limit left: 2000 - 300.
		clock.Advance(1)
		i.VM.ID, i.VM.WorkspaceID, i.Workspace.ID, i.Workspace.ActiveVM = "vm-bbbbbbbbbb", "ws-bbbbbbbbbb", "ws-bbbbbbbbbb", "vm-bbbbbbbbbb"
		i.Idempotency, i.VM.AccountID, i.VM.Reserved = nil, "", 1701
		if err := acme.CreateVM(ctx, i); dcm.ErrorCode(err) != dcm.CodeQuotaExceeded {
			t.Errorf("over the limit: %v", err)
		}
		i.VM.Reserved = 1700
		must(t, acme.CreateVM(ctx, i))
	})
}
