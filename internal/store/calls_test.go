package store_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
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
		clock := storetest.NewClock(storetest.Start())
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
			return acme.FinishVM(ctx, dcm.Finish{VM: someVM, Workspace: someWorkspace, At: now})
		})
	})
}
