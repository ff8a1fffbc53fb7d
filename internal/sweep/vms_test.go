package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// vmStore lists VMs that are due.
type vmStore struct {
	dcm.Store
	due []dcm.DueVM
	// broken is a shard that can't be listed; 0 is none.
	broken int
	asked  []int
}

func (s *vmStore) DueVMs(_ context.Context, shard int, until time.Time, limit int) ([]dcm.DueVM, error) {
	if s.asked = append(s.asked, shard); s.broken > 0 && shard == s.broken {
		return nil, errors.New("no index")
	}
	var page []dcm.DueVM
	for n, d := range s.due {
		if n%dcm.DueShards == shard && !d.DueAt.After(until) && len(page) < limit {
			page = append(page, d)
		}
	}
	return page, nil
}

// vmHandler remembers what it was asked.
type vmHandler struct {
	handle func(context.Context, dcm.DueVM) error

	mu      sync.Mutex
	handled []string
	putOff  []string
	// untried is how many of them were not tried.
	untried int
}

func (h *vmHandler) Handle(ctx context.Context, due dcm.DueVM) error {
	h.mu.Lock()
	h.handled = append(h.handled, string(due.VM))
	h.mu.Unlock()
	return h.handle(ctx, due)
}

func (h *vmHandler) PutOff(ctx context.Context, due dcm.DueVM, cause error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(cause, dcm.ErrNotTried) {
		h.untried++
	}
	h.putOff = append(h.putOff, string(due.VM))
	return ctx.Err()
}

func (h *vmHandler) Plan(_ context.Context, due dcm.DueVM) (string, error) {
	switch due.VM {
	case "vm-1":
		panic("of vm-1")
	case "vm-2":
		return "", nil
	}
	return "release it", nil
}

// gauges keeps what was measured.
type gauges struct {
	mu     sync.Mutex
	values map[dcm.Metric]any
}

func (g *gauges) Count(m dcm.Metric, n int)            { g.set(m, n) }
func (g *gauges) Lasted(m dcm.Metric, d time.Duration) { g.set(m, d) }

func (g *gauges) set(m dcm.Metric, v any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.values == nil {
		g.values = map[dcm.Metric]any{}
	}
	g.values[m] = v
}

type vmSweep struct {
	*sweep.VMs
	store   *vmStore
	handler *vmHandler
	gauges  *gauges
	log     *bytes.Buffer
}

// newVMSweep has VMs that are due, each of another tenant.
func newVMSweep(n int, handle func(context.Context, dcm.DueVM) error) vmSweep {
	s, now := &vmStore{}, time.Now()
	for i := range n {
		s.due = append(s.due, dcm.DueVM{
			Tenant: dcm.TenantID(fmt.Sprintf("t%d", i)), VM: dcm.VMID(fmt.Sprintf("vm-%d", i)), DueAt: now.Add(-time.Duration(i) * time.Minute),
		})
	}
	v := vmSweep{store: s, handler: &vmHandler{handle: handle}, gauges: &gauges{}, log: &bytes.Buffer{}}
	v.VMs = &sweep.VMs{Store: s, Clock: dcm.SystemClock{}, Log: slog.New(slog.NewJSONHandler(v.log, nil)), Meter: v.gauges, Handler: v.handler}
	return v
}

// TestAVMThatPanicsIsAlone: the ones behind it are still done in the same run.
func TestAVMThatPanicsIsAlone(t *testing.T) {
	t.Parallel()
	s := newVMSweep(40, func(_ context.Context, d dcm.DueVM) error {
		switch d.VM {
		case "vm-0", "vm-5":
			panic("of " + d.VM)
		case "vm-6":
			return errors.New("no")
		}
		return nil
	})
	report, err := s.Run(t.Context(), sweep.Order{})
	if err != nil || report.Due != 40 || report.Done != 37 || report.Failed != 3 || len(report.Planned) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if len(s.handler.handled) != 40 {
		t.Errorf("%d were handled", len(s.handler.handled))
	}
	slices.Sort(s.handler.putOff)
	if fmt.Sprint(s.handler.putOff) != "[vm-0 vm-5 vm-6]" {
		t.Errorf("put off: %v", s.handler.putOff)
	}
	if s.gauges.values[dcm.MetricSweepItems] != 37 || s.gauges.values[dcm.MetricSweepFailed] != 3 || s.gauges.values[dcm.MetricSweepSuccess] != 1 {
		t.Errorf("metrics %v", s.gauges.values)
	}
	if oldest, ok := s.gauges.values[dcm.MetricOldestDue].(time.Duration); !ok || oldest.Truncate(time.Minute) != 39*time.Minute {
		t.Errorf("oldest %v", s.gauges.values[dcm.MetricOldestDue])
	}
	if !strings.Contains(s.log.String(), "of vm-0") {
		t.Error("the log does not tell the panic")
	}
}

// fixed is a clock that stands.
type fixed time.Time

func (f fixed) Now() time.Time { return time.Time(f) }

// TestShardsTakeTurns: what a provider lets through goes to those that are asked
// first. In as many minutes as there are shards, each is the first once.
func TestShardsTakeTurns(t *testing.T) {
	t.Parallel()
	first := map[int]int{}
	for minute := range dcm.DueShards {
		s := newVMSweep(dcm.DueShards, func(context.Context, dcm.DueVM) error { return nil })
		s.Clock = fixed(time.Now().Add(time.Duration(minute) * time.Minute))
		if report, err := s.Run(t.Context(), sweep.Order{}); err != nil || report.Done != dcm.DueShards {
			t.Errorf("%+v, %v", report, err)
		}
		first[s.store.asked[0]]++
	}
	if len(first) != dcm.DueShards {
		t.Errorf("the first were %v", first)
	}
}

// TestAVMThatHangsIsAlone: it gets its time and is put off; the others are done.
func TestAVMThatHangsIsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVMSweep(30, func(ctx context.Context, d dcm.DueVM) error {
			if d.VM == "vm-3" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		report, err := s.Run(ctx, sweep.Order{})
		if err != nil || ctx.Err() != nil || report.Done != 29 || report.Failed != 1 || fmt.Sprint(s.handler.putOff) != "[vm-3]" {
			t.Errorf("%+v, %v, put off %v", report, err, s.handler.putOff)
		}
	})
}

// TestARunOfVMsEndsInTime: what there is no time for stays due.
func TestARunOfVMsEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVMSweep(100, func(ctx context.Context, _ dcm.DueVM) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(15 * time.Second):
				return nil
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		report, err := s.Run(ctx, sweep.Order{})
		// Four rounds of eight begin while more than a minute is left.
		if err != nil || ctx.Err() != nil || report.Due != 100 || report.Done != 32 || report.Failed != 0 || report.Left != 68 || len(s.handler.putOff) != 0 {
			t.Errorf("%+v, %v, %v", report, err, ctx.Err())
		}
		slices.Sort(s.handler.handled)
		if s.handler.handled[0] != "vm-68" || s.gauges.values[dcm.MetricOldestDue] != 99*time.Minute {
			t.Errorf("what waits longest comes first: %v, %v", s.handler.handled, s.gauges.values)
		}
	})
}

// TestAShardThatCannotBeListedIsAlone: the others' VMs are done; the run is no
// success, and says what it did.
func TestAShardThatCannotBeListedIsAlone(t *testing.T) {
	t.Parallel()
	s := newVMSweep(2*dcm.DueShards, func(context.Context, dcm.DueVM) error { return nil })
	s.store.broken = 2
	report, err := s.Run(t.Context(), sweep.Order{})
	if err == nil || report.Done != 2*dcm.DueShards-2 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, ok := s.gauges.values[dcm.MetricSweepSuccess]; ok || s.gauges.values[dcm.MetricSweepItems] != report.Done {
		t.Errorf("metrics %v", s.gauges.values)
	}
}

// TestVMsThatStayDueHideNobody: those that can't be put off are listed again and
// again, and the ones behind them are done all the same.
func TestVMsThatStayDueHideNobody(t *testing.T) {
	t.Parallel()
	s := newVMSweep(500*dcm.DueShards, func(_ context.Context, d dcm.DueVM) error {
		if d.DueAt.Minute()%2 == 0 {
			return errors.New("no")
		}
		return nil
	})
	report, err := s.Run(t.Context(), sweep.Order{})
	if err != nil || report.Done+report.Failed != 500*dcm.DueShards || len(s.handler.handled) != 500*dcm.DueShards {
		t.Errorf("%d due, %d done, %d failed, %v; %d handled", report.Due, report.Done, report.Failed, err, len(s.handler.handled))
	}
}

// of gives the first VMs to one tenant.
func (s vmSweep) of(t dcm.TenantID, n int) {
	for i := range n {
		s.store.due[i].Tenant = t
	}
}

// TestATenantWhoseVMsHang has a few of them tried, side by side with the others'
// VMs; the rest come first another time, and everybody else's are done.
func TestATenantWhoseVMsHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var last atomic.Int64 // the second at which the last of the others was done
		began := time.Now()
		s := newVMSweep(40, func(ctx context.Context, d dcm.DueVM) error {
			if d.Tenant == "hung" {
				<-ctx.Done()
				return ctx.Err()
			}
			err := dcm.Sleep(ctx, 5*time.Second)
			last.Store(int64(time.Since(began).Seconds()))
			return err
		})
		// The last are the ones that wait longest.
		slices.Reverse(s.store.due)
		s.of("hung", 20)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		report, err := s.Run(ctx, sweep.Order{})
		if err != nil || ctx.Err() != nil || report.Done != 20 || report.Failed != 20 || report.Left != 0 {
			t.Errorf("%+v, %v, %v", report, err, ctx.Err())
		}
		// Of eight slots five are the others', from the beginning.
		if last.Load() != 20 {
			t.Errorf("the last of the others was done after %d s", last.Load())
		}
		tried := len(s.handler.handled) - report.Done
		if len(s.handler.putOff) != 20 || s.handler.untried != 20-tried || tried > 10 {
			t.Errorf("%d put off, %d untried, %d tried", len(s.handler.putOff), s.handler.untried, tried)
		}
	})
}

// TestVMsOfAllShardsAreSideBySide: eight at a time, and never more, though they
// are one tenant's, as nobody else waits.
func TestVMsOfAllShardsAreSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var now, most atomic.Int32
		s := newVMSweep(16, func(ctx context.Context, _ dcm.DueVM) error {
			defer now.Add(-1)
			for n := now.Add(1); n > most.Load(); {
				most.Store(n)
			}
			return dcm.Sleep(ctx, time.Second)
		})
		s.of("acme", 16)
		if report, err := s.Run(t.Context(), sweep.Order{}); err != nil || report.Done != 16 {
			t.Errorf("%+v, %v", report, err)
		}
		if took := time.Since(began); most.Load() != 8 || took != 2*time.Second {
			t.Errorf("%d at once, %s", most.Load(), took)
		}
	})
}

// TestADryRunOfVMs says what would be done and does nothing.
func TestADryRunOfVMs(t *testing.T) {
	t.Parallel()
	s := newVMSweep(5, func(context.Context, dcm.DueVM) error { return errors.New("handled") })
	report, err := s.Run(t.Context(), sweep.Order{DryRun: true})
	if err != nil || report.Due != 5 || report.Failed != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	var planned []string
	for _, p := range report.Planned {
		planned = append(planned, p.ID+": "+p.Would)
	}
	// What waits longest comes first; vm-2 needs nothing.
	if want := []string{"vm-4: release it", "vm-3: release it", "vm-1: put it off, as it fails: panic: of vm-1", "vm-0: release it"}; !slices.Equal(planned, want) {
		t.Errorf("planned %q", planned)
	}
	if len(s.handler.handled)+len(s.handler.putOff)+len(s.gauges.values) != 0 {
		t.Errorf("handled %v, put off %v, metrics %v", s.handler.handled, s.handler.putOff, s.gauges.values)
	}
}

// leases is a table with one lease.
type leases struct {
	owner string
	until time.Time
	fail  error
}

func (l *leases) TakeLease(_ context.Context, _, owner string, now, until time.Time) (ranOut bool, err error) {
	if l.fail != nil {
		return false, l.fail
	}
	if l.owner != "" && l.owner != owner && l.until.After(now) {
		return false, dcm.ErrLeaseHeld
	}
	ranOut = l.owner != "" && l.owner != owner
	l.owner, l.until = owner, until
	return ranOut, nil
}

func (l *leases) GiveBackLease(_ context.Context, _, owner string) error {
	if l.owner == owner {
		l.owner = ""
	}
	return l.fail
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held, meter := &leases{}, &gauges{}
		alone := sweep.Alone{Name: "sweep-vms", Leases: held, Clock: dcm.SystemClock{}, Log: slog.New(slog.DiscardHandler), Meter: meter}
		ran := 0
		run := func(ctx context.Context, careful bool) error {
			if ran++; careful {
				t.Error("careful, after one that ended")
			}
			busy, err := alone.Run(ctx, func(context.Context, bool) error { t.Error("two at once"); return nil })
			if !busy || err != nil {
				t.Errorf("a second run: %t, %v", busy, err)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for range 2 {
			if busy, err := alone.Run(ctx, run); busy || err != nil {
				t.Errorf("%t, %v", busy, err)
			}
		}
		if ran != 2 || meter.values[dcm.MetricSweepBusy] != 1 {
			t.Errorf("ran %d times, %v", ran, meter.values)
		}
		// A run that was killed holds others up until its own time is over.
		_, _ = held.TakeLease(ctx, "", "killed", time.Now(), time.Now().Add(130*time.Second))
		if busy, _ := alone.Run(t.Context(), run); !busy {
			t.Error("ran beside one that may still work")
		}
		time.Sleep(131 * time.Second)
		told := false
		if busy, _ := alone.Run(t.Context(), func(_ context.Context, careful bool) error { told = careful; return nil }); busy || !told {
			t.Errorf("after a dead run: busy %t, careful %t", busy, told)
		}
		held.fail = errors.New("no table")
		if _, err := alone.Run(t.Context(), run); err == nil {
			t.Error("ran without knowing whether it is alone")
		}
	})
}
