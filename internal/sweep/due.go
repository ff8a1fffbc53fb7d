package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// pageSize is how many due items of a shard are read at first, maxPage at most.
	pageSize = 100
	maxPage  = 1000
	// listTime is how long a list of one shard may take.
	listTime = 20 * time.Second
	// failuresOfOne is how many items of one tenant may fail in a run before its
	// others are put off untried. A storage that answers nobody would otherwise
	// hold up every tenant behind it.
	failuresOfOne = 3
	// slotsOfOne is how many items of one tenant are handled side by side while
	// others wait: as many as may fail.
	slotsOfOne = failuresOfOne
)

// errOverran puts off an item that took too long.
var errOverran = dcm.Errorf(dcm.CodeProviderUnavailable, "it took longer than there was time for")

// Report is what a run did.
type Report struct {
	// Due is what was found, Done and Failed what was tried, Left what there was
	// no time for.
	Due    int `json:"due"`
	Done   int `json:"done"`
	Failed int `json:"failed"`
	Left   int `json:"left,omitempty"`
	// Busy says that another run was at work, and that this one did nothing.
	Busy bool `json:"busy,omitempty"`
	// Planned is what a dry run found.
	Planned []Planned `json:"planned,omitempty"`
}

// Planned is what a run would do to one item.
type Planned struct {
	Tenant dcm.TenantID `json:"tenantId"`
	// ID is the item's; "" for the tenant itself.
	ID    string    `json:"id,omitempty"`
	DueAt time.Time `json:"dueAt"`
	Would string    `json:"would"`
}

// item is something that is due.
type item struct {
	// kind is what the log calls it.
	kind   string
	tenant dcm.TenantID
	// id is "" for the tenant itself.
	id    string
	dueAt time.Time

	handle func(context.Context) error
	putOff func(ctx context.Context, cause error) error
	plan   func(context.Context) (string, error)
}

// DueHandler deals with one due item.
type DueHandler[T any] interface {
	// Handle does what the item's state asks for.
	Handle(ctx context.Context, due T) error
	// PutOff gives the item another time after Handle failed with cause. It comes
	// sooner if cause is dcm.ErrNotTried: those that were tried had their turn.
	PutOff(ctx context.Context, due T, cause error) error
	// Plan says in words what Handle would do, "" for nothing, and does nothing.
	Plan(ctx context.Context, due T) (string, error)
}

func itemOf[T any](h DueHandler[T], due T, i item) item {
	i.handle = func(ctx context.Context) error { return h.Handle(ctx, due) }
	i.putOff = func(ctx context.Context, cause error) error { return h.PutOff(ctx, due, cause) }
	i.plan = func(ctx context.Context) (string, error) { return h.Plan(ctx, due) }
	return i
}

// lister lists what is due of one shard, what waits longest first.
type lister func(ctx context.Context, shard int, until time.Time, limit int) ([]item, error)

// dueRun is one run over what is due. What waits longest comes first, whatever
// its shard: a run that has no time for all leaves the others to the next one.
// After a run that was killed, they come in any order: whichever killed it is not
// before all others again, and in a few such runs everything else is done.
type dueRun struct {
	name  string
	clock dcm.Clock
	log   *slog.Logger
	meter dcm.Meter
	dry   bool
	// careful is set after a run that was killed.
	careful bool
	// atOnce is how many items are handled side by side, spare what must be left
	// of the run to begin one.
	atOnce int
	spare  time.Duration
	// limit bounds an item's time. One that overran it is tried again last, with
	// all the time that is left, if patient is set; it is put off at once if not.
	limit   func(context.Context) (context.Context, context.CancelFunc)
	patient bool

	// mu guards what items that are handled side by side write to.
	mu     sync.Mutex
	report Report
	slow   []item
	// ofOne is how each tenant's items do in this run.
	ofOne map[dcm.TenantID]*tenantsShare
}

// tenantsShare is what a tenant has of a run.
type tenantsShare struct{ slots, failures int }

// of is the tenant's share; the caller has mu.
func (r *dueRun) of(t dcm.TenantID) *tenantsShare {
	if r.ofOne == nil {
		r.ofOne = map[dcm.TenantID]*tenantsShare{}
	}
	if r.ofOne[t] == nil {
		r.ofOne[t] = &tenantsShare{}
	}
	return r.ofOne[t]
}

// all handles everything of one kind that is due now, as far as time allows. A
// shard that can't be listed keeps none of the others waiting.
func (r *dueRun) all(ctx context.Context, list lister) error {
	var (
		failed error
		until  = r.clock.Now()
		shards = make([]*shardOf, dcm.DueShards)
	)
	// Of what is due since the same moment, shards take turns at being the first.
	turn := int(until.Unix() / 60)
	for n := range shards {
		shards[n] = &shardOf{number: (turn + n) % dcm.DueShards, seen: map[string]bool{}}
	}
	for first := true; len(shards) > 0; first = false {
		var fresh []item
		var open []*shardOf
		for _, s := range shards {
			found, more, err := s.next(ctx, list, until)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("list shard %d of what is due: %w", s.number, err))
			}
			if fresh = append(fresh, found...); more {
				open = append(open, s)
			}
		}
		slices.SortStableFunc(fresh, func(a, b item) int { return a.dueAt.Compare(b.dueAt) })
		if first && !r.dry {
			r.measure(fresh, until)
		}
		if r.careful {
			shuffle(fresh)
		}
		r.report.Due += len(fresh)
		if !r.items(ctx, fresh) {
			break
		}
		shards = open
	}
	return failed
}

// measure says how late the latest is. It is written before anything is done: a
// run that is killed has said so.
func (r *dueRun) measure(due []item, now time.Time) {
	oldest := time.Duration(0)
	if len(due) > 0 {
		oldest = age(now, due[0].dueAt)
	}
	r.meter.Lasted(dcm.MetricOldestDue, oldest)
}

// shardOf is a shard, as far as it was read.
type shardOf struct {
	number int
	seen   map[string]bool
}

// next reads what this run has not seen, and reports whether there may be more.
// An item may still be listed after it was handled, as the index lags behind, and
// stays if it could not be put off: a page has room for those and for others.
func (s *shardOf) next(ctx context.Context, list lister, until time.Time) (fresh []item, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	size := min(maxPage, pageSize+len(s.seen))
	var due []item
	if err := guard(func() (err error) { due, err = list(ctx, s.number, until, size); return err }); err != nil {
		return nil, false, err
	}
	fresh = unseen(s.seen, due, func(i item) string { return string(i.tenant) + "/" + i.id })
	return fresh, len(fresh) > 0 && len(due) == size, nil
}

// unseen returns what is not in seen, and puts it there.
func unseen[T any, ID comparable](seen map[ID]bool, due []T, id func(T) ID) []T {
	fresh := due[:0:0]
	for _, d := range due {
		if key := id(d); !seen[key] {
			seen[key] = true
			fresh = append(fresh, d)
		}
	}
	return fresh
}

// items handles items side by side, and reports whether there was time for all.
func (r *dueRun) items(ctx context.Context, due []item) bool {
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, r.atOnce)
	for waiting := slices.Clone(due); len(waiting) > 0; waiting = waiting[1:] {
		slots <- struct{}{}
		if !timeLeft(ctx, r.spare) {
			return false
		}
		i := r.begin(waiting)
		all.Go(func() {
			defer func() { r.leave(i); <-slots }()
			if r.dry {
				r.plan(ctx, i)
				return
			}
			work, cancel := r.limit(ctx)
			defer cancel()
			r.one(ctx, work, i, r.patient)
		})
	}
	return true
}

// begin moves the first that is to be handled to the front, and returns it: it is
// the one that waits longest, unless its tenant has its share of the slots and
// others wait.
func (r *dueRun) begin(waiting []item) item {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := max(0, slices.IndexFunc(waiting, func(i item) bool { return r.of(i.tenant).slots < slotsOfOne }))
	next := waiting[n]
	copy(waiting[1:n+1], waiting[:n])
	waiting[0] = next
	r.of(next.tenant).slots++
	return next
}

func (r *dueRun) leave(i item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(i.tenant).slots--
}

// again tries once more, one after the other, what overran its time. Nothing
// waits behind it any more.
func (r *dueRun) again(ctx context.Context) {
	clear(r.ofOne)
	for _, i := range r.slow {
		work, cancel := withoutEnd(ctx)
		if !timeLeft(ctx, r.spare) {
			cancel() // it is put off, and no more
		}
		r.one(ctx, work, i, false)
		cancel()
	}
}

// one handles an item in its own time. What is noted of a failure outlasts that,
// and the run's own end.
func (r *dueRun) one(ctx, work context.Context, i item, patient bool) {
	if r.careful {
		// Should this run be killed too, its log ends with what may have done it.
		r.log.InfoContext(ctx, "sweep item begins", i.kind, i.id, "tenant", i.tenant)
	}
	err := guard(func() error { return r.try(work, i) })
	if err != nil && work.Err() != nil {
		err = errors.Join(errOverran, err)
	}
	again := patient && errors.Is(err, errOverran)
	r.note(i, err, again)
	switch {
	case err == nil:
		return
	case again:
		r.log.WarnContext(ctx, "sweep item is slow: it is tried again last", i.kind, i.id, "tenant", i.tenant, "error", err)
		return
	}
	r.log.ErrorContext(ctx, "sweep item failed", i.kind, i.id, "tenant", i.tenant, "error", err)
	later, cancel := context.WithTimeout(context.WithoutCancel(ctx), putOffTime)
	defer cancel()
	if err := guard(func() error { return i.putOff(later, err) }); err != nil {
		r.log.ErrorContext(ctx, "sweep item could not be put off", i.kind, i.id, "tenant", i.tenant, "error", err)
	}
}

// note counts what came of an item.
func (r *dueRun) note(i item, err error, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.report.Done++
		return
	case again:
		r.slow = append(r.slow, i)
	default:
		r.report.Failed++
	}
	r.of(i.tenant).failures++
}

func (r *dueRun) try(work context.Context, i item) error {
	if r.failsOn(i.tenant) {
		return dcm.ErrNotTried
	}
	if err := work.Err(); err != nil {
		return err
	}
	return i.handle(work)
}

// failsOn reports whether so many of the tenant's items failed that no more are
// tried.
func (r *dueRun) failsOn(t dcm.TenantID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(t).failures >= failuresOfOne
}

// plan says what would be done to an item.
func (r *dueRun) plan(ctx context.Context, i item) {
	work, cancel := r.limit(ctx)
	defer cancel()
	would := ""
	err := guard(func() (err error) { would, err = i.plan(work); return err })
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		would = "put it off, as it fails: " + reason
		r.log.ErrorContext(ctx, "sweep item could not be looked at", i.kind, i.id, "tenant", i.tenant, "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.report.Failed++
	} else {
		r.report.Done++
	}
	if would != "" {
		r.log.InfoContext(ctx, "would", i.kind, i.id, "tenant", i.tenant, "would", would)
		r.report.Planned = append(r.report.Planned, Planned{Tenant: i.tenant, ID: i.id, DueAt: i.dueAt, Would: would})
	}
}

// end counts and tells what was done. It is a success if everything could be
// listed; items that failed count by themselves.
func (r *dueRun) end(ctx context.Context, err error) (Report, error) {
	r.report.Left = r.report.Due - r.report.Done - r.report.Failed
	slices.SortStableFunc(r.report.Planned, func(a, b Planned) int { return a.DueAt.Compare(b.DueAt) })
	if !r.dry {
		r.meter.Count(dcm.MetricSweepDue, r.report.Due)
		r.meter.Count(dcm.MetricSweepItems, r.report.Done)
		r.meter.Count(dcm.MetricSweepFailed, r.report.Failed)
		if err == nil {
			r.meter.Count(dcm.MetricSweepSuccess, 1)
		}
	}
	if r.report.Due > 0 || err != nil {
		r.log.InfoContext(ctx, "swept", "sweep", r.name, "dryRun", r.dry, "due", r.report.Due, "done", r.report.Done,
			"failed", r.report.Failed, "left", r.report.Left)
	}
	if err != nil {
		return r.report, fmt.Errorf("sweep: %w", err)
	}
	return r.report, nil
}
