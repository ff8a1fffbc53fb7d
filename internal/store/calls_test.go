package store_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// meter counts a client's calls by operation, one for each time a request is
// sent.
type meter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (m *meter) attach(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		operation := stack.ID()
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("count", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			m.mu.Lock()
			m.calls[operation]++
			m.mu.Unlock()
			return next.HandleDeserialize(ctx, in)
		}), middleware.After)
	})
}

// of runs a step and returns what it called.
func (m *meter) of(step func()) map[string]int {
	m.mu.Lock()
	m.calls = map[string]int{}
	m.mu.Unlock()
	step()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// TestCalls holds each method to its number of calls: what a request costs
// follows from them (design, section 5).
func TestCalls(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		var m meter
		clock := clocktest.New(storetest.Start())
		m.calls = map[string]int{}
		c := b.client(b.endpoint(t, clock), m.attach)
		s := store.New(c, store.Options{Table: newTable(t, c), Clock: clock})
		acme := s.Tenant("acme")
		ctx, now := t.Context(), clock.Now()
		cost := func(name string, want map[string]int, step func() error) {
			t.Helper()
			if got := m.of(func() { must(t, step()) }); !maps.Equal(got, want) {
				t.Errorf("%s made %v, want %v", name, got, want)
			}
		}
		costs := func(name, operation string, step func() error) {
			t.Helper()
			cost(name, map[string]int{operation: 1}, step)
		}
		running, stopping := dcm.StatusRunning, dcm.StatusStopping

		costs("LaunchContext", "BatchGetItem", func() error {
			_, err := acme.LaunchContext(ctx, "", "key")
			return err
		})
		costs("CreateVM", "TransactWriteItems", func() error { return acme.CreateVM(ctx, someIntent()) })
		costs("LaunchContext of all", "BatchGetItem", func() error {
			_, err := acme.LaunchContext(ctx, someWorkspace, "key")
			return err
		})
		costs("VM", "GetItem", func() error { _, err := acme.VM(ctx, someVM); return err })
		costs("PeekVM", "GetItem", func() error { _, err := acme.PeekVM(ctx, someVM); return err })
		costs("Workspace", "GetItem", func() error { _, err := acme.Workspace(ctx, someWorkspace); return err })
		costs("VMs", "Query", func() error { _, err := acme.VMs(ctx, dcm.VMQuery{}); return err })
		costs("VMs filtered", "Query", func() error {
			_, err := acme.VMs(ctx, dcm.VMQuery{Status: dcm.StatusStopped, Workspace: someWorkspace, Limit: 1})
			return err
		})
		costs("Accounts", "Query", func() error { _, err := acme.Accounts(ctx); return err })
		costs("VMWithAccounts", "BatchGetItem", func() error { _, _, err := acme.VMWithAccounts(ctx, someVM); return err })
		costs("ReleaseContext", "BatchGetItem", func() error { _, _, err := acme.ReleaseContext(ctx, someVM); return err })
		costs("ChallengeContext", "BatchGetItem", func() error { _, err := acme.ChallengeContext(ctx, someVM); return err })
		costs("CountChallenge", "UpdateItem", func() error {
			_, err := acme.CountChallenge(ctx, someVM, dcm.ChallengeBook{}, dcm.ChallengeCall{At: now, KeepUntil: now})
			return err
		})
		limit := dcm.RateBudget{}.Assume(dcm.RateLimit{Limit: 100, Remaining: 100, Interval: time.Second}, now)
		take := dcm.RateTake{Use: dcm.RateOverdue, Least: 1, Most: 20, Now: now}
		costs("Take from a rate budget", "UpdateItem", func() error { _, _, err := s.PlatformRate("hetzner").Take(ctx, limit, take); return err })
		costs("Read a rate budget", "GetItem", func() (err error) { limit, err = s.PlatformRate("hetzner").Read(ctx); return err })
		cost("Learn no news of a rate budget", map[string]int{}, func() error {
			_, err := s.PlatformRate("hetzner").Learn(ctx, limit, dcm.RateLimit{Limit: 100, Remaining: 90, Interval: time.Second}, now)
			return err
		})
		costs("WorkspaceWithAccounts", "BatchGetItem", func() error {
			_, _, err := acme.WorkspaceWithAccounts(ctx, someWorkspace)
			return err
		})
		costs("Workspaces", "Query", func() error { _, err := acme.Workspaces(ctx, dcm.WorkspaceQuery{}); return err })
		costs("Usage", "Query", func() error { _, err := acme.Usage(ctx, "2026-11"); return err })
		costs("Events", "Query", func() error { _, err := acme.Events(ctx, dcm.EventQuery{}); return err })
		costs("AddEvent", "UpdateItem", func() error { return acme.AddEvent(ctx, someEvent("ev-bbbbbbbbbb")) })
		costs("PutTenant", "UpdateItem", func() error { _, err := acme.PutTenant(ctx, dcm.TenantChange{At: now}); return err })
		costs("KeepAccountsKey", "UpdateItem", func() error {
			_, err := acme.KeepAccountsKey(ctx, dcm.WrappedKey("k"), nil, now)
			return err
		})
		// An account of its own makes the tenant due, ahead of it.
		cost("SetDNSAccount", map[string]int{"UpdateItem": 2}, func() error {
			_, err := acme.SetDNSAccount(ctx, &dcm.DNSAccount{ID: someAccount}, now)
			return err
		})
		costs("SetStorageAccount", "UpdateItem", func() error { _, err := acme.SetStorageAccount(ctx, nil, now); return err })
		costs("ForgetAccount", "UpdateItem", func() error { return acme.ForgetAccount(ctx, "ac-old") })
		costs("SettleTenant", "UpdateItem", func() error { return acme.SettleTenant(ctx, now, time.Time{}) })
		quotas := dcm.Quotas{MaxConcurrentVMs: 10, MaxMonthlySpend: 1}
		costs("SetQuotas", "UpdateItem", func() error { _, err := acme.SetQuotas(ctx, quotas, quotas, now); return err })
		// The second try knows the old limit.
		cost("SetQuotas again", map[string]int{"UpdateItem": 2}, func() error {
			_, err := acme.SetQuotas(ctx, quotas, quotas, now)
			return err
		})
		cost("PutProviderAccount", map[string]int{"UpdateItem": 2}, func() error {
			return acme.PutProviderAccount(ctx, dcm.ProviderAccount{ID: someAccount, Provider: "hetzner"}, "")
		})
		costs("NoteProviderAccount", "UpdateItem", func() error {
			return acme.NoteProviderAccount(ctx, "hetzner", someAccount, now, nil)
		})
		costs("NoteAccount", "UpdateItem", func() error {
			err := acme.NoteAccount(ctx, dcm.AccountNote{Kind: dcm.AccountDNS, ID: someAccount})
			if errors.Is(err, dcm.ErrLostRace) {
				return nil // another fingerprint costs as much
			}
			return err
		})
		costs("RemoveProviderAccount", "TransactWriteItems", func() error { return acme.RemoveProviderAccount(ctx, "hetzner") })
		costs("DueReconciles", "Query", func() error { _, err := s.DueReconciles(ctx, 0, now, 10); return err })
		costs("DueOrphans", "Query", func() error { _, err := s.DueOrphans(ctx, 0, now, 10); return err })
		costs("LiveVMs", "Query", func() error { _, err := s.LiveVMs(ctx, 0); return err })
		hour := dcm.ReconcileAfter("acme", now)
		costs("SettleReconcile", "UpdateItem", func() error { return acme.SettleReconcile(ctx, hour, hour.Add(time.Hour)) })
		costs("SettleReconcile for ever", "TransactWriteItems", func() error {
			return acme.SettleReconcile(ctx, hour.Add(time.Hour), time.Time{})
		})
		stray := dcm.Orphan{
			Kind: dcm.OrphanServer, Tenant: "acme", ExternalID: "1", CreatedAt: now, FoundAt: now, EndedAt: now, ConfirmedAt: &now,
		}
		costs("NoteOrphan", "UpdateItem", func() error { return acme.NoteOrphan(ctx, stray) })
		costs("SettleOrphan", "UpdateItem", func() error { return acme.SettleOrphan(ctx, stray) })
		// The VM's record is not one of a VM that ended.
		stray.ExternalID, stray.VM, stray.Minutes = "2", someVM, 9
		must(t, acme.NoteOrphan(ctx, stray))
		cost("SettleOrphan of a live VM", map[string]int{"TransactWriteItems": 1, "UpdateItem": 1}, func() error { return acme.SettleOrphan(ctx, stray) })
		costs("Orphans", "Query", func() error { _, err := acme.Orphans(ctx, dcm.OrphanQuery{}); return err })
		costs("DueWorkspaces", "Query", func() error { _, err := s.DueWorkspaces(ctx, 0, now, 10); return err })
		costs("DueTenants", "Query", func() error { _, err := s.DueTenants(ctx, 0, now, 10); return err })
		costs("DueVMs", "Query", func() error { _, err := s.DueVMs(ctx, 0, now, 10); return err })
		costs("BindBootstrap", "UpdateItem", func() error { _, err := acme.BindBootstrap(ctx, someVM, "key", now); return err })
		costs("ChangeVM", "UpdateItem", func() error {
			_, err := acme.ChangeVM(ctx, someVM, dcm.VMChange{From: []dcm.Status{dcm.StatusCreating}, Status: &running})
			return err
		})
		costs("ChangeVM refused", "UpdateItem", func() error {
			if _, err := acme.ChangeVM(ctx, someVM, dcm.VMChange{From: []dcm.Status{dcm.StatusCreating}}); err == nil {
				t.Error("was not refused")
			}
			return nil
		})
		costs("AddWorkspaceKey", "TransactWriteItems", func() error {
			return acme.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1, CreatedAt: now})
		})
		costs("WorkspaceKey", "GetItem", func() error { _, err := acme.WorkspaceKey(ctx, someWorkspace, 1); return err })
		// The size of the backup that it replaces is read.
		cost("AdvanceGeneration", map[string]int{"GetItem": 1, "TransactWriteItems": 1}, func() error {
			return acme.AdvanceGeneration(ctx, someVM, someWorkspace, dcm.Backup{Generation: 1, SizeBytes: 1, TakenAt: now})
		})
		costs("stop", "UpdateItem", func() error {
			_, err := acme.ChangeVM(ctx, someVM, dcm.VMChange{From: []dcm.Status{running}, Status: &stopping})
			return err
		})
		costs("FinishVM", "TransactWriteItems", func() error {
			event := someEvent("ev-cccccccccc")
			return acme.FinishVM(ctx, dcm.Finish{
				VM: someVM, Workspace: someWorkspace, At: now, Event: &event,
				Receipt: dcm.Receipt{Usage: []dcm.Usage{{Month: "2026-11", VMSeconds: 1}, {Month: "2026-12", VMSeconds: 1}}},
			})
		})
		stray.ExternalID = "3"
		must(t, acme.NoteOrphan(ctx, stray))
		costs("SettleOrphan of a VM", "TransactWriteItems", func() error { return acme.SettleOrphan(ctx, stray) })
		task := dcm.WorkspaceTask{Kind: dcm.TaskDelete, Since: now}
		costs("ChangeWorkspace", "UpdateItem", func() error {
			_, err := acme.ChangeWorkspace(ctx, someWorkspace, dcm.WorkspaceChange{IfFree: true, Task: &task, DueAt: &now})
			return err
		})
		costs("ReplaceBackup", "TransactWriteItems", func() error {
			return acme.ReplaceBackup(ctx, someWorkspace,
				dcm.Backup{Generation: 1, SizeBytes: 1}, dcm.Backup{Generation: 1, SizeBytes: 2, KeyVersion: 1})
		})
		costs("KeyWithAccounts", "BatchGetItem", func() error { _, _, err := acme.KeyWithAccounts(ctx, someWorkspace, 1); return err })
		must(t, acme.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 2, CreatedAt: now}))
		must(t, acme.ReplaceBackup(ctx, someWorkspace,
			dcm.Backup{Generation: 1, SizeBytes: 2}, dcm.Backup{Generation: 1, SizeBytes: 2, KeyVersion: 2}))
		// How many keys there are is read.
		readAndWrite := map[string]int{"GetItem": 1, "TransactWriteItems": 1}
		cost("RetireKeys", readAndWrite, func() error { return acme.RetireKeys(ctx, someWorkspace, 2) })
		cost("DropWorkspace", readAndWrite, func() error { return acme.DropWorkspace(ctx, someWorkspace, now) })
	})
}
