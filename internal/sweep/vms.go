package sweep

import (
	"context"
	"log/slog"
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

// VMs is the sweep over due VMs.
type VMs struct {
	Store   dcm.Store
	Clock   dcm.Clock
	Log     *slog.Logger
	Meter   dcm.Meter
	Handler DueHandler[dcm.DueVM]
}

// Run handles every VM that is due now, as far as its time allows. Its cost
// follows the work, not the table: one query per shard, and the calls of what is
// due. One tenant's VMs take up the time of few at once while others wait, and
// once some have failed, the rest are put off. A dry run says what it would do, and does nothing. It returns an error
// only if it could not list; items that failed are in the report.
func (s *VMs) Run(ctx context.Context, o Order) (Report, error) {
	r := &dueRun{
		name: "sweep-vms", clock: s.Clock, log: s.Log, meter: s.Meter, dry: o.DryRun, careful: o.Careful,
		atOnce: vmsAtOnce, spare: vmSpare,
		limit: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, vmTime)
		},
	}
	return r.end(ctx, r.all(ctx, s.list))
}

func (s *VMs) list(ctx context.Context, shard int, until time.Time, limit int) ([]item, error) {
	due, err := s.Store.DueVMs(ctx, shard, until, limit)
	items := make([]item, 0, len(due))
	for _, d := range due {
		items = append(items, itemOf(s.Handler, d, item{kind: "vm", tenant: d.Tenant, id: string(d.VM), dueAt: d.DueAt}))
	}
	return items, err
}
