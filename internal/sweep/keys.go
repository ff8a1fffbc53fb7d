package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// spareTime is what a run leaves of its own time: nothing is begun then.
	spareTime = time.Minute
	// failuresOfOne is how many items of one tenant may fail in a run before
	// its others are put off untried. A storage that answers nobody would
	// otherwise hold up every tenant behind it.
	failuresOfOne = 3
	// shareOfRun is the part of a run's remaining time that one item may take
	// while others wait: a quarter, and leastShare at least.
	shareOfRun = 4
	leastShare = 2 * time.Minute
)

// errNotTried puts off an item of a tenant whose others keep failing.
var errNotTried = dcm.Errorf(dcm.CodeProviderUnavailable, "others of this tenant failed, so it was not tried")

// DueHandler deals with one due item.
type DueHandler[T any] interface {
	// Handle does what the item's state asks for.
	Handle(ctx context.Context, due T) error
	// PutOff gives the item another time after Handle failed with cause.
	PutOff(ctx context.Context, due T, cause error) error
	// Plan says in words what Handle would do, "" for nothing, and does nothing.
	Plan(ctx context.Context, due T) (string, error)
}

// Keys is the sweep over what workspaces are to have done: new keys, other
// storages, deletion. Tenants come first: their changed settings are what some
// workspaces have to follow.
type Keys struct {
	Store      dcm.Store
	Clock      dcm.Clock
	Log        *slog.Logger
	Meter      dcm.Meter
	Tenants    DueHandler[dcm.DueTenant]
	Workspaces DueHandler[dcm.DueWorkspace]
}

// Run handles every tenant and every workspace that is due now, as far as its
// time allows, one after the other: encryption takes a whole processor. An item
// may take a share of the run while others wait, and a workspace, once they are
// done, all that is left. A dry run says what it would do, and does nothing. It returns an error
// only if it could not list; items that failed are in the report.
func (s *Keys) Run(ctx context.Context, o Order) (Report, error) {
	failures := map[dcm.TenantID]int{}
	r := &dueRun{
		name: "sweep-keys", clock: s.Clock, log: s.Log, meter: s.Meter, dry: o.DryRun, atOnce: 1, spare: spareTime,
		limit: share,
		mayTry: func(i item) error {
			if failures[i.tenant] >= failuresOfOne {
				return errNotTried
			}
			return nil
		},
		failed: func(i item) { failures[i.tenant]++ },
	}
	err := r.all(ctx, s.tenants)
	r.patient = true
	err = errors.Join(err, r.all(ctx, s.workspaces))
	r.mayTry = nil
	r.again(ctx)
	return r.end(ctx, err)
}

func (s *Keys) tenants(ctx context.Context, shard int, until time.Time, limit int) ([]item, error) {
	due, err := s.Store.DueTenants(ctx, shard, until, limit)
	items := make([]item, 0, len(due))
	for _, d := range due {
		items = append(items, itemOf(s.Tenants, d, item{kind: "profile", tenant: d.Tenant, dueAt: d.DueAt}))
	}
	return items, err
}

func (s *Keys) workspaces(ctx context.Context, shard int, until time.Time, limit int) ([]item, error) {
	due, err := s.Store.DueWorkspaces(ctx, shard, until, limit)
	items := make([]item, 0, len(due))
	for _, d := range due {
		items = append(items, itemOf(s.Workspaces, d, item{kind: "workspace", tenant: d.Tenant, id: string(d.Workspace), dueAt: d.DueAt}))
	}
	return items, err
}

func itemOf[T any](h DueHandler[T], due T, i item) item {
	i.handle = func(ctx context.Context) error { return h.Handle(ctx, due) }
	i.putOff = func(ctx context.Context, cause error) error { return h.PutOff(ctx, due, cause) }
	i.plan = func(ctx context.Context) (string, error) { return h.Plan(ctx, due) }
	return i
}
