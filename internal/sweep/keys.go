package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// spareTime is what a run leaves of its own time: nothing is begun then.
	spareTime = time.Minute
	// putOffTime is what an item leaves of the run's time: enough to note that
	// it was not done, or it would be the first again in the next run.
	putOffTime = 20 * time.Second
	// failuresOfOne is how many items of one tenant may fail in a run before
	// its others are put off untried. A storage that answers nobody would
	// otherwise hold up every tenant behind it.
	failuresOfOne = 3
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
// time allows. A dry run says what it would do, and does nothing. It returns an
// error only if it could not list; items that failed are in the report.
func (s *Keys) Run(ctx context.Context, o Order) (Report, error) {
	var (
		report Report
		oldest time.Duration
	)
	tenants := &queue[dcm.DueTenant]{
		Keys: s, dry: o.DryRun, report: &report, oldest: &oldest, list: s.Store.DueTenants, handler: s.Tenants,
		owner: func(d dcm.DueTenant) dcm.TenantID { return d.Tenant },
		item:  func(d dcm.DueTenant) (string, time.Time) { return "", d.DueAt },
	}
	if err := tenants.run(ctx); err != nil {
		return report, fmt.Errorf("sweep tenants: %w", err)
	}
	workspaces := &queue[dcm.DueWorkspace]{
		Keys: s, dry: o.DryRun, report: &report, oldest: &oldest, list: s.Store.DueWorkspaces, handler: s.Workspaces,
		owner: func(d dcm.DueWorkspace) dcm.TenantID { return d.Tenant },
		item:  func(d dcm.DueWorkspace) (string, time.Time) { return string(d.Workspace), d.DueAt },
	}
	if err := workspaces.run(ctx); err != nil {
		return report, fmt.Errorf("sweep workspaces: %w", err)
	}
	if !o.DryRun {
		s.Meter.Lasted(dcm.MetricOldestDue, oldest)
		count(s.Meter, report)
	}
	if report.Due > 0 {
		s.Log.InfoContext(ctx, "swept keys", "due", report.Due, "done", report.Done, "failed", report.Failed, "dryRun", o.DryRun)
	}
	return report, nil
}

// queue is one kind of due item. Two items that are equal are the same one.
type queue[T comparable] struct {
	*Keys
	dry     bool
	report  *Report
	oldest  *time.Duration
	list    func(ctx context.Context, shard int, until time.Time, limit int) ([]T, error)
	handler DueHandler[T]
	owner   func(T) dcm.TenantID
	item    func(T) (id string, dueAt time.Time)
	failed  map[dcm.TenantID]int
}

func (q *queue[T]) run(ctx context.Context) error {
	q.failed = map[dcm.TenantID]int{}
	until := q.Clock.Now()
	for shard := range dcm.DueShards {
		if err := q.shard(ctx, shard, until); err != nil {
			return fmt.Errorf("shard %d: %w", shard, err)
		}
	}
	return nil
}

func (q *queue[T]) shard(ctx context.Context, shard int, until time.Time) error {
	return pages(pageSize,
		func(limit int) ([]T, error) { return q.list(ctx, shard, until, limit) },
		func(item T) T { return item },
		func(fresh []T) bool { return q.page(ctx, until, fresh) })
}

// page handles items one after the other, and reports whether there was time for
// all.
func (q *queue[T]) page(ctx context.Context, until time.Time, fresh []T) bool {
	for _, item := range fresh {
		if !timeLeft(ctx, spareTime) {
			return false
		}
		_, at := q.item(item)
		*q.oldest = max(*q.oldest, age(until, at))
		q.report.Due++
		if q.one(ctx, item) {
			q.report.Done++
		} else {
			q.report.Failed++
		}
	}
	return true
}

// one handles an item and reports whether it worked. What it notes of a failure
// outlasts the run's own end.
func (q *queue[T]) one(ctx context.Context, item T) bool {
	if q.dry {
		return q.plan(ctx, item)
	}
	owner := q.owner(item)
	var err error = errNotTried
	if q.failed[owner] < failuresOfOne {
		work, cancel := withoutEnd(ctx)
		err = guard(func() error { return q.handler.Handle(work, item) })
		cancel()
	}
	if err == nil {
		return true
	}
	q.failed[owner]++
	q.Log.ErrorContext(ctx, "sweep item failed", "item", item, "tenant", owner, "error", err)
	if err := guard(func() error { return q.handler.PutOff(context.WithoutCancel(ctx), item, err) }); err != nil {
		q.Log.ErrorContext(ctx, "sweep item could not be put off", "item", item, "error", err)
	}
	return false
}

func (q *queue[T]) plan(ctx context.Context, item T) bool {
	would, owner := "", q.owner(item)
	id, at := q.item(item)
	err := guard(func() (err error) { would, err = q.handler.Plan(ctx, item); return err })
	if err != nil {
		q.Log.ErrorContext(ctx, "sweep item could not be looked at", "tenant", owner, "workspace", id, "error", err)
		return false
	}
	if would != "" {
		q.Log.InfoContext(ctx, "would", "tenant", owner, "workspace", id, "would", would)
		q.report.Planned = append(q.report.Planned, Planned{Tenant: owner, ID: id, DueAt: at, Would: would})
	}
	return true
}
