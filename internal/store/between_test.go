package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// interrupted lets somebody else act before one of its transactions, the at-th.
type interrupted struct {
	store.API
	calls int
	at    int
	act   func()
}

func (i *interrupted) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	if i.calls++; i.calls == i.at {
		i.act()
	}
	return i.API.TransactWriteItems(ctx, in, o...)
}

// TestReleaseBeforeTheMonthIsClosed: between a launch that is shown November's
// books and its second try, which closes them, a release adds to November. What
// it cost must not stay in December's way.
func TestReleaseBeforeTheMonthIsClosed(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := clocktest.New(storetest.Start())
		c := b.client(b.endpoint(t, clock))
		table := newTable(t, c)
		theirs := open(c, table).Tenant("acme")
		ctx, now := t.Context(), clock.Now()
		quotas := dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 1000}
		_, err := theirs.SetQuotas(ctx, quotas, quotas, now)
		must(t, err)
		i := someIntent()
		i.VM.Reserved = 400
		must(t, theirs.CreateVM(ctx, i))
		stopping := dcm.StatusStopping
		_, err = theirs.ChangeVM(ctx, someVM, dcm.VMChange{From: dcm.Statuses[:2], Status: &stopping})
		must(t, err)

		api := &interrupted{API: c, at: 2, act: func() {
			must(t, theirs.FinishVM(ctx, dcm.Finish{
				VM: someVM, Workspace: someWorkspace, At: now, Reserved: 400, Receipt: dcm.Receipt{Usage: []dcm.Usage{{Month: "2026-11", Cost: 300}}},
			}))
		}}
		launch := func(s dcm.TenantStore, id string, reserve dcm.Micros) error {
			i := someIntent()
			i.VM = storetest.FullVM(dcm.VMID("vm-"+id), dcm.WorkspaceID("ws-"+id), "acme", now.Add(10*24*time.Hour))
			i.VM.Reserved, i.Idempotency = reserve, nil
			i.Workspace.ID, i.Workspace.ActiveVM = i.VM.WorkspaceID, i.VM.ID
			return s.CreateVM(ctx, i)
		}
		must(t, launch(open(api, table).Tenant("acme"), "bbbbbbbbbb", 100))
		if api.calls != 3 {
			t.Errorf("made %d transactions", api.calls)
		}
		if err := launch(theirs, "cccccccccc", 901); dcm.ErrorCode(err) != dcm.CodeQuotaExceeded {
			t.Errorf("over the limit: %v", err)
		}
		must(t, launch(theirs, "dddddddddd", 900))
	})
}

// TestKeyBeforeTheWorkspaceIsDropped: a key that is added to a workspace while
// it is being deleted goes with it.
func TestKeyBeforeTheWorkspaceIsDropped(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := clocktest.New(storetest.Start())
		c := b.client(b.endpoint(t, clock))
		table := newTable(t, c)
		theirs := open(c, table).Tenant("acme")
		ctx, now := t.Context(), clock.Now()
		must(t, theirs.CreateVM(ctx, someIntent()))
		stopping := dcm.StatusStopping
		_, err := theirs.ChangeVM(ctx, someVM, dcm.VMChange{From: dcm.Statuses[:2], Status: &stopping})
		must(t, err)
		must(t, theirs.FinishVM(ctx, dcm.Finish{VM: someVM, Workspace: someWorkspace, At: now}))
		_, err = theirs.ChangeWorkspace(ctx, someWorkspace, dcm.WorkspaceChange{Task: &dcm.WorkspaceTask{Kind: dcm.TaskDelete}})
		must(t, err)

		api := &interrupted{API: c, at: 1, act: func() {
			must(t, theirs.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1, CreatedAt: now}))
		}}
		must(t, open(api, table).Tenant("acme").DropWorkspace(ctx, someWorkspace, now))
		for item := range scan(t, c, table) {
			if item == "TENANT#acme WS#ws-aaaaaaaaaa" || item == "TENANT#acme KEY#ws-aaaaaaaaaa#1" {
				t.Errorf("%s is left", item)
			}
		}
	})
}
