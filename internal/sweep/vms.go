package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// pageSize is how many due items are read at once.
const pageSize = 100

// Handler deals with one due VM.
type Handler interface {
	// Handle does what the VM's state asks for.
	Handle(ctx context.Context, due dcm.DueVM) error
	// PutOff gives the VM another time after Handle failed.
	PutOff(ctx context.Context, due dcm.DueVM) error
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
}

// Run handles every VM that is due now. Its cost follows the work, not the
// table: one query per shard, and the calls of what is due. It returns an
// error only if it could not list; items that failed are in the report.
func (s *VMs) Run(ctx context.Context) (Report, error) {
	var report Report
	until := s.Clock.Now()
	for shard := range dcm.DueShards {
		if err := s.shard(ctx, shard, until, &report); err != nil {
			return report, fmt.Errorf("sweep shard %d: %w", shard, err)
		}
	}
	s.Meter.Count(dcm.MetricSweepItems, report.Done)
	s.Meter.Count(dcm.MetricSweepFailed, report.Failed)
	s.Meter.Count(dcm.MetricSweepSuccess, 1)
	if report.Due > 0 {
		s.Log.InfoContext(ctx, "swept VMs", "due", report.Due, "done", report.Done, "failed", report.Failed)
	}
	return report, nil
}

// shard reads pages until one brings nothing that this run has not seen: an
// item may still be listed after it was handled, as the index lags behind.
func (s *VMs) shard(ctx context.Context, shard int, until time.Time, report *Report) error {
	seen := map[dcm.VMID]bool{}
	for {
		due, err := s.Store.DueVMs(ctx, shard, until, pageSize)
		if err != nil {
			return fmt.Errorf("list due VMs: %w", err)
		}
		fresh := 0
		for _, item := range due {
			if seen[item.VM] || ctx.Err() != nil {
				continue
			}
			seen[item.VM] = true
			fresh++
			report.Due++
			if s.one(ctx, item) {
				report.Done++
			} else {
				report.Failed++
			}
		}
		if fresh == 0 || len(due) < pageSize {
			return nil
		}
	}
}

// one handles an item and reports whether it worked.
func (s *VMs) one(ctx context.Context, due dcm.DueVM) bool {
	err := guard(func() error { return s.Handler.Handle(ctx, due) })
	if err == nil {
		return true
	}
	s.Log.ErrorContext(ctx, "sweep item failed", "vm", due.VM, "tenant", due.Tenant, "error", err)
	if err := guard(func() error { return s.Handler.PutOff(ctx, due) }); err != nil {
		s.Log.ErrorContext(ctx, "sweep item could not be put off", "vm", due.VM, "error", err)
	}
	return false
}

// guard turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
