package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// vmsAtOnce is how many VMs are handled side by side.
	vmsAtOnce = 8
	// vmTime is how long one VM may take, so that one that hangs leaves the others
	// their time; vmSpare is what must be left of a run to begin one.
	vmTime  = 40 * time.Second
	vmSpare = vmTime + putOffTime
)

// Handler deals with one due VM.
type Handler interface {
	// Handle does what the VM's state asks for.
	Handle(ctx context.Context, due dcm.DueVM) error
	// PutOff gives the VM another time after Handle failed.
	PutOff(ctx context.Context, due dcm.DueVM) error
	// Plan says in words what Handle would do, "" for nothing, and does nothing.
	Plan(ctx context.Context, due dcm.DueVM) (string, error)
}

// VMs is the sweep over due VMs.
type VMs struct {
	Store   dcm.Store
	Clock   dcm.Clock
	Log     *slog.Logger
	Meter   dcm.Meter
	Handler Handler
}

// Report is what a run did.
type Report struct {
	Due    int `json:"due"`
	Done   int `json:"done"`
	Failed int `json:"failed"`
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

// vmRun is one run.
type vmRun struct {
	*VMs
	dry   bool
	until time.Time
	slots chan struct{}

	mu     sync.Mutex
	report Report
	oldest time.Duration
}

// Run handles every VM that is due now, as far as its time allows. Its cost
// follows the work, not the table: one query per shard, and the calls of what is
// due. A dry run says what it would do, and does nothing. It returns an error
// only if it could not list; items that failed are in the report.
func (s *VMs) Run(ctx context.Context, o Order) (Report, error) {
	r := &vmRun{VMs: s, dry: o.DryRun, until: s.Clock.Now(), slots: make(chan struct{}, vmsAtOnce)}
	// Shards take turns at being the first. When a provider lets through less than
	// is due, it is not always the same that go without.
	first := int(r.until.Unix()/60) % dcm.DueShards
	for n := range dcm.DueShards {
		shard := (first + n) % dcm.DueShards
		if err := r.shard(ctx, shard); err != nil {
			return r.report, fmt.Errorf("sweep shard %d: %w", shard, err)
		}
	}
	if !r.dry {
		s.Meter.Lasted(dcm.MetricOldestDue, r.oldest)
		count(s.Meter, r.report)
	}
	if r.report.Due > 0 {
		s.Log.InfoContext(ctx, "swept VMs", "due", r.report.Due, "done", r.report.Done, "failed", r.report.Failed, "dryRun", r.dry)
	}
	return r.report, nil
}

// count counts a run that came to its end.
func count(m dcm.Meter, r Report) {
	m.Count(dcm.MetricSweepItems, r.Done)
	m.Count(dcm.MetricSweepFailed, r.Failed)
	m.Count(dcm.MetricSweepSuccess, 1)
}

func (r *vmRun) shard(ctx context.Context, shard int) error {
	return pages(sizeOf(r.dry),
		func(limit int) ([]dcm.DueVM, error) { return r.Store.DueVMs(ctx, shard, r.until, limit) },
		func(d dcm.DueVM) dcm.VMID { return d.VM },
		func(fresh []dcm.DueVM) bool {
			r.oldest = max(r.oldest, age(r.until, fresh[0].DueAt))
			return r.page(ctx, fresh)
		})
}

// page handles VMs side by side, and reports whether there was time for all.
func (r *vmRun) page(ctx context.Context, due []dcm.DueVM) bool {
	var all sync.WaitGroup
	defer all.Wait()
	for _, item := range due {
		r.slots <- struct{}{}
		if !timeLeft(ctx, vmSpare) {
			<-r.slots
			return false
		}
		all.Go(func() {
			defer func() { <-r.slots }()
			ok := r.one(ctx, item)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.report.Due++
			if ok {
				r.report.Done++
			} else {
				r.report.Failed++
			}
		})
	}
	return true
}

// one handles an item and reports whether it worked. What it notes of a failure
// outlasts the item's own time.
func (r *vmRun) one(ctx context.Context, due dcm.DueVM) bool {
	work, cancel := context.WithTimeout(ctx, vmTime)
	defer cancel()
	if r.dry {
		return r.plan(work, due)
	}
	err := guard(func() error { return r.Handler.Handle(work, due) })
	if err == nil {
		return true
	}
	r.Log.ErrorContext(ctx, "sweep item failed", "vm", due.VM, "tenant", due.Tenant, "error", err)
	if err := guard(func() error { return r.Handler.PutOff(context.WithoutCancel(ctx), due) }); err != nil {
		r.Log.ErrorContext(ctx, "sweep item could not be put off", "vm", due.VM, "error", err)
	}
	return false
}

func (r *vmRun) plan(ctx context.Context, due dcm.DueVM) bool {
	would := ""
	err := guard(func() (err error) { would, err = r.Handler.Plan(ctx, due); return err })
	if err != nil {
		r.Log.ErrorContext(ctx, "sweep item could not be looked at", "vm", due.VM, "tenant", due.Tenant, "error", err)
		return false
	}
	if would == "" {
		return true
	}
	r.Log.InfoContext(ctx, "would", "vm", due.VM, "tenant", due.Tenant, "would", would)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Planned = append(r.report.Planned, Planned{Tenant: due.Tenant, ID: string(due.VM), DueAt: due.DueAt, Would: would})
	return true
}
