package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// manyRuns is more runs than it ever takes: in each, half of what waits is done
// before the one that kills it, on average.
const manyRuns = 100

// run is one run, which something may kill: from then on nothing of it goes on.
type run struct {
	dead, over chan struct{}
	once       sync.Once
}

// kill ends the run.
func (r *run) kill() {
	r.once.Do(func() { close(r.dead) })
	r.lives()
}

// lives returns if the run has not been killed.
func (r *run) lives() {
	select {
	case <-r.dead:
		<-r.over
		runtime.Goexit()
	default:
	}
}

// start makes a run, and waits until it has ended or been killed.
func start(t *testing.T, work func(*run)) (killed bool) {
	t.Helper()
	r, done := &run{dead: make(chan struct{}), over: make(chan struct{})}, make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(done)
		work(r)
	})
	t.Cleanup(func() { close(r.over); all.Wait() })
	select {
	case <-done:
		return false
	case <-r.dead:
		return true
	}
}

// waiting is what is due, over several runs.
type waiting struct {
	mu   sync.Mutex
	left []string
}

func (w *waiting) done(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = slices.DeleteFunc(w.left, func(other string) bool { return other == id })
}

func (w *waiting) has(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.left, id)
}

func (w *waiting) only(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.left) == 1 && w.left[0] == id
}

// TestWhatKillsARunHidesNobody: it kills the next one as well, and those that are
// careful come to everything else.
func TestWhatKillsARunHidesNobody(t *testing.T) {
	t.Parallel()
	t.Run("a VM", func(t *testing.T) {
		t.Parallel()
		all := &waiting{}
		for n := range 20 {
			all.left = append(all.left, fmt.Sprintf("vm-%d", n))
		}
		const killer = "vm-19" // the one that waits longest
		survives(t, all, killer, func(r *run, o sweep.Order) {
			s := newVMSweep(20, func(_ context.Context, d dcm.DueVM) error {
				if r.lives(); d.VM == killer {
					r.kill()
				}
				all.done(string(d.VM))
				return nil
			})
			s.store.due = slices.DeleteFunc(s.store.due, func(d dcm.DueVM) bool { return !all.has(string(d.VM)) })
			_, _ = s.Run(t.Context(), o)
		})
	})
	t.Run("a workspace", func(t *testing.T) {
		t.Parallel()
		all := &waiting{}
		for n := range 20 {
			all.left = append(all.left, fmt.Sprintf("ws-%d", n))
		}
		survives(t, all, "ws-0", func(r *run, o sweep.Order) {
			s := &dueStore{}
			for n := range 20 {
				if ws := workspace("acme", n); all.has(string(ws.Workspace)) {
					s.workspaces = append(s.workspaces, ws)
				}
			}
			workspaces := &handler[dcm.DueWorkspace]{handle: func(_ context.Context, d dcm.DueWorkspace) error {
				if d.Workspace == "ws-0" {
					r.kill()
				}
				all.done(string(d.Workspace))
				return nil
			}}
			_, _ = newKeys(s, &handler[dcm.DueTenant]{handle: fine[dcm.DueTenant]}, workspaces).Run(t.Context(), o)
		})
	})
	t.Run("a tenant, before workspaces", func(t *testing.T) {
		t.Parallel()
		all := &waiting{left: []string{"killer"}}
		for n := range 20 {
			all.left = append(all.left, fmt.Sprintf("ws-%d", n))
		}
		survives(t, all, "killer", func(r *run, o sweep.Order) {
			s := &dueStore{tenants: []dcm.DueTenant{{Tenant: "killer"}}}
			for n := range 20 {
				if ws := workspace("acme", n); all.has(string(ws.Workspace)) {
					s.workspaces = append(s.workspaces, ws)
				}
			}
			tenants := &handler[dcm.DueTenant]{handle: func(context.Context, dcm.DueTenant) error { r.kill(); return nil }}
			workspaces := &handler[dcm.DueWorkspace]{handle: func(_ context.Context, d dcm.DueWorkspace) error {
				all.done(string(d.Workspace))
				return nil
			}}
			_, _ = newKeys(s, tenants, workspaces).Run(t.Context(), o)
		})
	})
	for name, fails := range map[string]dcm.TenantID{"a tenant's account": "t000000", "the platform's account": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := &waiting{left: []string{string(fails)}}
			for n := range 20 {
				if id := fmt.Sprintf("t%06d", n); id != string(fails) {
					all.left = append(all.left, id)
				}
			}
			off := map[dcm.TenantID]time.Time{}
			survives(t, all, string(fails), func(r *run, o sweep.Order) {
				e := estateOf(20, 1)
				e.due = slices.DeleteFunc(e.due, func(d dcm.DueTenant) bool {
					_, later := off[d.Tenant]
					return later || !all.has(string(d.Tenant))
				})
				count := func() {
					for _, id := range e.removed {
						all.done(id[:7])
					}
				}
				e.fails[fails] = func() error {
					count()
					e.mu.Lock()
					maps.Copy(off, e.settled)
					e.mu.Unlock()
					r.kill()
					return nil
				}
				_, _ = e.sweep(1000).Run(t.Context(), o)
				count()
				clear(off) // until the next run it is an hour
			})
		})
	}
	t.Run("what was noted", func(t *testing.T) {
		t.Parallel()
		all := &waiting{left: []string{"killer", "t000000"}}
		off := map[dcm.OrphanRef]time.Time{}
		survives(t, all, "killer", func(r *run, o sweep.Order) {
			e := estateOf(1, 1)
			e.noted[0], e.putOff = []dcm.DueOrphan{{Tenant: "killer", Ref: "1"}}, maps.Clone(off)
			e.fails["killer"] = func() error {
				maps.Copy(off, e.putOff)
				r.kill()
				return nil
			}
			_, _ = e.sweep(1000).Run(t.Context(), o)
			all.done(e.removed[0][:7])
		})
	})
}

// survives makes runs, each careful after one that was killed, until everything
// is done but what kills them. The first is killed, before it has done much.
func survives(t *testing.T, all *waiting, killer string, work func(*run, sweep.Order)) {
	t.Helper()
	careful := false
	for n := range manyRuns {
		if all.only(killer) {
			return
		}
		killed := start(t, func(r *run) { work(r, sweep.Order{Careful: careful}) })
		if n == 0 && !killed {
			t.Fatal("nothing kills the first")
		}
		careful = killed
	}
	t.Errorf("after %d runs these wait: %q", manyRuns, all.left)
}

// TestACarefulRunLooksOneByOne: whoever is looked through has its next time
// already, and would wait for it with the one that kills the run.
func TestACarefulRunLooksOneByOne(t *testing.T) {
	t.Parallel()
	for careful, want := range map[bool]int32{false: 16, true: 1} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int32
			e := estateOf(40, 0)
			for _, d := range e.due {
				e.fails[d.Tenant] = func() error {
					defer now.Add(-1)
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Second)
					return errors.New("no")
				}
			}
			if _, err := e.sweep(25).Run(t.Context(), sweep.Order{Careful: careful}); err != nil || most.Load() != want || len(e.settled) != 40 {
				t.Errorf("careful %t: %d at once, %d settled, %v", careful, most.Load(), len(e.settled), err)
			}
		})
	}
}
