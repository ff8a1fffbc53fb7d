package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// dueStore lists what is due; nothing else of it is used.
type dueStore struct {
	dcm.Store
	tenants    []dcm.DueTenant
	workspaces []dcm.DueWorkspace
}

func (s *dueStore) DueTenants(_ context.Context, shard int, _ time.Time, limit int) ([]dcm.DueTenant, error) {
	return page(s.tenants, shard, limit), nil
}

func (s *dueStore) DueWorkspaces(_ context.Context, shard int, _ time.Time, limit int) ([]dcm.DueWorkspace, error) {
	return page(s.workspaces, shard, limit), nil
}

// page has everything in the first shard, and goes on listing what was handled.
func page[T any](all []T, shard, limit int) []T {
	if shard != 0 {
		return nil
	}
	return all[:min(limit, len(all))]
}

// handler notes what it is given, and fails as it is told.
type handler[T any] struct {
	handle  func(context.Context, T) error
	handled []T
	putOff  map[string]error
}

func (h *handler[T]) Handle(ctx context.Context, due T) error {
	h.handled = append(h.handled, due)
	return h.handle(ctx, due)
}

func (h *handler[T]) PutOff(ctx context.Context, due T, cause error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.putOff == nil {
		h.putOff = map[string]error{}
	}
	h.putOff[fmt.Sprint(due)] = cause
	return nil
}

func (h *handler[T]) Plan(context.Context, T) (string, error) { return "wait", nil }

type noMeter struct{}

func (noMeter) Count(dcm.Metric, int) {}

func (noMeter) Lasted(dcm.Metric, time.Duration) {}

func workspace(t dcm.TenantID, n int) dcm.DueWorkspace {
	return dcm.DueWorkspace{Tenant: t, Workspace: dcm.WorkspaceID(fmt.Sprintf("ws-%d", n))}
}

func newKeys(s *dueStore, tenants *handler[dcm.DueTenant], workspaces *handler[dcm.DueWorkspace]) *sweep.Keys {
	return &sweep.Keys{
		Store: s, Clock: dcm.SystemClock{}, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Meter: noMeter{},
		Tenants: tenants, Workspaces: workspaces,
	}
}

func fine[T any](context.Context, T) error { return nil }

func TestOneItemFailsAlone(t *testing.T) {
	t.Parallel()
	s := &dueStore{tenants: []dcm.DueTenant{{Tenant: "a"}, {Tenant: "b"}}}
	for n := range 4 {
		s.workspaces = append(s.workspaces, workspace("a", n))
	}
	tenants := &handler[dcm.DueTenant]{handle: func(_ context.Context, d dcm.DueTenant) error {
		if d.Tenant == "a" {
			panic("of tenant a")
		}
		return nil
	}}
	workspaces := &handler[dcm.DueWorkspace]{handle: func(_ context.Context, d dcm.DueWorkspace) error {
		if d.Workspace == "ws-1" {
			return errors.New("no")
		}
		return nil
	}}
	report, err := newKeys(s, tenants, workspaces).Run(t.Context(), sweep.Order{})
	if want := (sweep.Report{Due: 6, Done: 4, Failed: 2}); err != nil || !reflect.DeepEqual(report, want) {
		t.Errorf("report %+v, %v", report, err)
	}
	if len(tenants.putOff) != 1 || len(workspaces.putOff) != 1 {
		t.Errorf("put off %v and %v", tenants.putOff, workspaces.putOff)
	}
}

// TestABrokenTenantHoldsUpNobody: after a few failures its other items are put
// off untried, and everybody else's are done.
func TestABrokenTenantHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := &dueStore{}
	for n := range 50 {
		s.workspaces = append(s.workspaces, workspace("broken", n))
	}
	s.workspaces = append(s.workspaces, workspace("sound", 99))
	workspaces := &handler[dcm.DueWorkspace]{handle: func(_ context.Context, d dcm.DueWorkspace) error {
		if d.Tenant == "broken" {
			return errors.New("no")
		}
		return nil
	}}
	report, err := newKeys(s, &handler[dcm.DueTenant]{handle: fine[dcm.DueTenant]}, workspaces).Run(t.Context(), sweep.Order{})
	if want := (sweep.Report{Due: 51, Done: 1, Failed: 50}); err != nil || !reflect.DeepEqual(report, want) {
		t.Errorf("report %+v, %v", report, err)
	}
	if len(workspaces.handled) != 4 || len(workspaces.putOff) != 50 || !slices.Contains(workspaces.handled, workspace("sound", 99)) {
		t.Errorf("tried %v, put off %d", workspaces.handled, len(workspaces.putOff))
	}
}

// TestARunEndsInTime: nothing is begun that there is no time left for.
func TestARunEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &dueStore{}
		for n := range 20 {
			s.workspaces = append(s.workspaces, workspace("a", n))
		}
		workspaces := &handler[dcm.DueWorkspace]{handle: func(ctx context.Context, _ dcm.DueWorkspace) error {
			return dcm.Sleep(ctx, time.Minute)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		report, err := newKeys(s, &handler[dcm.DueTenant]{handle: fine[dcm.DueTenant]}, workspaces).Run(ctx, sweep.Order{})
		if want := (sweep.Report{Due: 20, Done: 14, Left: 6}); err != nil || ctx.Err() != nil || !reflect.DeepEqual(report, want) {
			t.Errorf("report %+v, %v, %v", report, err, ctx.Err())
		}
		if len(workspaces.putOff) != 0 {
			t.Errorf("put off %v", workspaces.putOff)
		}
	})
}

// TestAWorkspaceThatHangsIsAlone: those behind it are done, and it is put off.
func TestAWorkspaceThatHangsIsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &dueStore{tenants: []dcm.DueTenant{{Tenant: "hung"}, {Tenant: "sound"}}}
		for n := range 4 {
			s.workspaces = append(s.workspaces, workspace("hung", n), workspace("sound", n))
		}
		tenants := &handler[dcm.DueTenant]{handle: func(ctx context.Context, d dcm.DueTenant) error {
			if d.Tenant == "hung" {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		workspaces := &handler[dcm.DueWorkspace]{handle: func(ctx context.Context, d dcm.DueWorkspace) error {
			if d.Tenant == "hung" {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		report, err := newKeys(s, tenants, workspaces).Run(ctx, sweep.Order{})
		if want := (sweep.Report{Due: 10, Done: 5, Failed: 5}); err != nil || ctx.Err() != nil || !reflect.DeepEqual(report, want) {
			t.Errorf("report %+v, %v, %v", report, err, ctx.Err())
		}
		if len(tenants.putOff) != 1 || len(workspaces.putOff) != 4 {
			t.Errorf("put off %v and %v", tenants.putOff, workspaces.putOff)
		}
	})
}

// TestASlowWorkspaceHasWhatIsLeft: it overruns its share, waits until the others
// are done, and gets the rest of the run.
func TestASlowWorkspaceHasWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &dueStore{workspaces: []dcm.DueWorkspace{workspace("a", 0), workspace("b", 1)}}
		workspaces := &handler[dcm.DueWorkspace]{handle: func(ctx context.Context, d dcm.DueWorkspace) error {
			if d.Workspace == "ws-0" {
				return dcm.Sleep(ctx, 9*time.Minute)
			}
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		report, err := newKeys(s, &handler[dcm.DueTenant]{handle: fine[dcm.DueTenant]}, workspaces).Run(ctx, sweep.Order{})
		if want := (sweep.Report{Due: 2, Done: 2}); err != nil || !reflect.DeepEqual(report, want) || len(workspaces.putOff) != 0 {
			t.Errorf("report %+v, %v, put off %v", report, err, workspaces.putOff)
		}
		if got := fmt.Sprint(workspaces.handled); got != fmt.Sprint([]dcm.DueWorkspace{workspace("a", 0), workspace("b", 1), workspace("a", 0)}) {
			t.Errorf("handled %s", got)
		}
	})
}

// TestTheSlowestHaveNoMoreTime: what overran once and has no time left is put off.
func TestTheSlowestHaveNoMoreTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &dueStore{workspaces: []dcm.DueWorkspace{workspace("a", 0), workspace("b", 1), workspace("c", 2)}}
		workspaces := &handler[dcm.DueWorkspace]{handle: func(ctx context.Context, _ dcm.DueWorkspace) error {
			return dcm.Sleep(ctx, time.Hour)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		report, err := newKeys(s, &handler[dcm.DueTenant]{handle: fine[dcm.DueTenant]}, workspaces).Run(ctx, sweep.Order{})
		if want := (sweep.Report{Due: 3, Failed: 3}); err != nil || ctx.Err() != nil || !reflect.DeepEqual(report, want) {
			t.Errorf("report %+v, %v, %v", report, err, ctx.Err())
		}
		for item, cause := range workspaces.putOff {
			if dcm.ErrorCode(cause) != dcm.CodeProviderUnavailable {
				t.Errorf("%s: %v", item, cause)
			}
		}
		if len(workspaces.putOff) != 3 || len(workspaces.handled) != 4 {
			t.Errorf("put off %v, handled %v", workspaces.putOff, workspaces.handled)
		}
	})
}
