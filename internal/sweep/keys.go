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
	// shareOfRun is the part of a run's remaining time that one item may take
	// while others wait: a quarter, and leastShare at least.
	shareOfRun = 4
	leastShare = 2 * time.Minute
)

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
	r := &dueRun{
		name: "sweep-keys", clock: s.Clock, log: s.Log, meter: s.Meter, dry: o.DryRun, careful: o.Careful,
		atOnce: 1, spare: spareTime,
		limit: share,
	}
	tenants := func() error { r.patient = false; return r.all(ctx, s.tenants) }
	workspaces := func() error { r.patient = true; return r.all(ctx, s.workspaces) }
	first, second := tenants, workspaces
	if o.Careful && toss() {
		first, second = workspaces, tenants
	}
	err := first()
	err = errors.Join(err, second())
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
