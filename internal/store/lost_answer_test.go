package store_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// lossy delivers every request and, once armed, loses the answer to the next
// one that writes items, after running between.
type lossy struct {
	armed   atomic.Bool
	lost    atomic.Int32
	between func()
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	operation := r.Header.Get("X-Amz-Target")
	writes := strings.HasSuffix(operation, ".UpdateItem") || strings.HasSuffix(operation, ".TransactWriteItems")
	if err != nil || !writes || !l.armed.CompareAndSwap(true, false) {
		return resp, err
	}
	_ = resp.Body.Close()
	l.lost.Add(1)
	if l.between != nil {
		l.between()
	}
	return nil, io.ErrUnexpectedEOF
}

func (l *lossy) attach(o *dynamodb.Options) {
	o.HTTPClient = &http.Client{Transport: l}
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// TestLostAnswer loses the answer to each write: the SDK tries again, and the
// caller is told what became of its own write, which happened once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := clocktest.New(storetest.Start())
		var wire lossy
		c := b.client(b.endpoint(t, clock), wire.attach)
		table := aws.String(newTable(t, c))
		s := store.New(c, store.Options{Table: *table, Clock: clock})
		acme, ctx, now := s.Tenant("acme"), t.Context(), clock.Now()
		losing := func(step func() error) {
			t.Helper()
			before := wire.lost.Load()
			wire.armed.Store(true)
			must(t, step())
			if wire.lost.Load() != before+1 {
				t.Fatal("no answer was lost")
			}
		}
		// The owner that tries again has the lease, and nobody else.
		losing(func() error { _, err := s.TakeLease(ctx, "sweep-vms", "a", now, now.Add(time.Minute)); return err })
		if _, err := s.TakeLease(ctx, "sweep-vms", "b", now, now.Add(time.Minute)); !errors.Is(err, dcm.ErrLeaseHeld) {
			t.Errorf("another has it too: %v", err)
		}
		losing(func() error { return s.GiveBackLease(ctx, "sweep-vms", "a") })
		_, err := s.TakeLease(ctx, "sweep-vms", "b", now, now.Add(time.Minute))
		must(t, err)

		move := func(from, to dcm.Status) (dcm.VM, error) {
			return acme.ChangeVM(ctx, someVM, dcm.VMChange{From: []dcm.Status{from}, Status: &to})
		}

		losing(func() error { return acme.CreateVM(ctx, someIntent()) })
		losing(func() error { _, err := acme.BindBootstrap(ctx, someVM, "key", now); return err })
		losing(func() error {
			vm, err := move(dcm.StatusCreating, dcm.StatusRunning)
			if vm.Status != dcm.StatusRunning {
				t.Errorf("was shown status %q", vm.Status)
			}
			return err
		})
		losing(func() error {
			return acme.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1, CreatedAt: now})
		})
		losing(func() error {
			return acme.AdvanceGeneration(ctx, someVM, someWorkspace, dcm.Backup{Generation: 1, TakenAt: now})
		})
		losing(func() error { _, err := move(dcm.StatusRunning, dcm.StatusStopping); return err })
		losing(func() error {
			return acme.FinishVM(ctx, dcm.Finish{VM: someVM, Workspace: someWorkspace, At: now})
		})

		known, err := acme.LaunchContext(ctx, someWorkspace, "")
		must(t, err)
		if known.Accounts.Tenant.ActiveVMs != 0 || known.Workspace.Generation != 1 || known.Workspace.KeyVersion != 1 {
			t.Errorf("something was done twice: %+v %+v", known.Accounts.Tenant, *known.Workspace)
		}
	})
}

// TestLostAnswerAndLostRace: between our write and our second try somebody
// else wrote. Whether we ever won can't be told, so it is a lost race, and the
// caller sees the VM as it is.
func TestLostAnswerAndLostRace(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := clocktest.New(storetest.Start())
		endpoint := b.endpoint(t, clock)
		var wire lossy
		ours, theirs := b.client(endpoint, wire.attach), b.client(endpoint)
		table := newTable(t, theirs)
		running, stopping := dcm.StatusRunning, dcm.StatusStopping
		wire.between = func() {
			_, err := open(theirs, table).Tenant("acme").ChangeVM(t.Context(), someVM, dcm.VMChange{
				From: []dcm.Status{running}, Status: &stopping,
			})
			must(t, err)
		}
		s := open(ours, table).Tenant("acme")
		must(t, s.CreateVM(t.Context(), someIntent()))
		wire.armed.Store(true)
		vm, err := s.ChangeVM(t.Context(), someVM, dcm.VMChange{From: []dcm.Status{dcm.StatusCreating}, Status: &running})
		if !errors.Is(err, dcm.ErrLostRace) || vm.Status != stopping {
			t.Fatalf("got %v and status %q", err, vm.Status)
		}
	})
}
