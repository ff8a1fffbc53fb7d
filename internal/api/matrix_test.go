package api_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// flow is something that the control plane is asked to do: one request, or one
// run of a sweep.
type flow struct {
	// function serves the request; its outside calls are what is disturbed.
	function string
	// before brings the world to just before the request.
	before func(s *scene)
	// request makes it. It may be called twice at once.
	request func(s *scene) answer
	// heard is what its sender does with an answer, or with none; nil for what
	// agents and schedules do by themselves.
	heard func(s *scene, a answer)
	// after checks what this flow promises, once all has come to rest; nil for
	// nothing but the invariants.
	after func(s *scene)
}

// matrixCase is one thing that happens to one call of a flow.
type matrixCase struct {
	at   outsideCall
	mode mode
}

// TestMatrix disturbs every outside call of every flow in every way there is:
// see mode. Afterwards time passes, agents, users and schedules do what they
// do, and the invariants must hold. The calls come from recording each flow, so
// that a new call is a new case by itself.
//
// DCM_MATRIX_STRIDE says how many cases lie between two that are tried, and
// DCM_MATRIX_TABLE where to leave a table; `make matrix` tries every case.
func TestMatrix(t *testing.T) {
	t.Parallel()
	table := &matrixTable{stride: number(t, "DCM_MATRIX_STRIDE", 30)}
	t.Cleanup(func() { table.write(t, os.Getenv("DCM_MATRIX_TABLE")) })
	all := flows()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			(&matrix{flow: all[name], name: name, table: table}).run(t)
		})
	}
}

// matrix is the cases of one flow.
type matrix struct {
	flow
	name  string
	table *matrixTable
	stage *theatre
	calls []outsideCall
}

func (m *matrix) run(t *testing.T) {
	m.stage = newTheatre(t)
	m.record(t)
	if t.Failed() {
		return
	}
	for _, call := range m.calls {
		t.Run(call.String(), func(t *testing.T) {
			for _, mode := range modes {
				if !m.table.turn(m.name, mode) {
					continue
				}
				clean := false
				ran := false
				t.Run(string(mode), func(t *testing.T) {
					ran = true
					defer func() { clean = !t.Failed() }()
					m.play(t, matrixCase{call, mode})
				})
				m.table.played(m.name, mode, ran, clean)
				if ran && !clean {
					// What was left behind is none of the next case's business.
					m.stage = newTheatre(t)
				}
			}
		})
	}
}

// record runs the flow undisturbed, and notes its calls.
func (m *matrix) record(t *testing.T) {
	s := m.stage.scene()
	m.before(s)
	p := m.stage.pools[m.function]
	p.cold(nil)
	a := m.request(s)
	m.calls = p.last
	if a.status >= 300 {
		t.Fatalf("undisturbed it fails: %d %s", a.status, a.body)
	}
	m.ends(s, a)
}

// play plays one case.
func (m *matrix) play(t *testing.T, c matrixCase) {
	outer := m.stage.t
	m.stage.t = t
	defer func() { m.stage.t = outer }()
	s := m.stage.scene()
	m.before(s)
	d := &disturbance{mode: c.mode, at: c.at, most: 2 * len(m.calls)}
	twins := make(chan answer, 1)
	d.twin = func() { twins <- m.request(s) }
	p := m.stage.pools[m.function]
	p.cold(d)
	a := m.request(s)
	m.stage.twins.Wait()
	select {
	case twin := <-twins:
		if m.heard != nil {
			m.heard(s, twin)
		}
	default:
	}
	if t.Failed() {
		return
	}
	m.ends(s, a)
	if t.Failed() {
		t.Logf("answered %d %s", a.status, a.body)
	}
}

// ends has the sender hear the answer, time pass and everything end, and
// checks what must hold before and after the end.
func (m *matrix) ends(s *scene, a answer) {
	s.t.Helper()
	if m.heard != nil {
		m.heard(s, a)
	}
	s.passes(1, time.Minute)
	s.passes(4, 5*time.Minute)
	s.holds("once all has come to rest")
	if m.after != nil {
		m.after(s)
	}
	s.leavesAll()
	s.holds("at the end")
}

// holds checks the invariants.
func (s *scene) holds(when string) {
	s.t.Helper()
	for _, wrong := range s.breaches(s.tenant) {
		s.t.Errorf("%s: %s", when, wrong)
	}
	b := s.books(s.tenant)
	for id := range s.acked {
		ws, ok := b.workspaces[id]
		switch {
		case !ok && s.dropped[id]:
		case !ok, ws.Backup == nil:
			s.t.Errorf("%s: workspace %s has no backup", when, id)
		default:
			s.newEnough(id, string(s.read(s.tenant, id)))
		}
	}
}

// leavesAll ends every VM, as their user would, and what the tenant brought.
func (s *scene) leavesAll() {
	s.t.Helper()
	for _, vm := range s.books(s.tenant).live() {
		s.user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(s.t, 202)
	}
	s.passes(2, time.Minute)
	for _, vm := range s.books(s.tenant).live() {
		s.t.Errorf("VM %s is still %s", vm.ID, vm.Status)
	}
}

// matrixTable counts cases by flow and mode.
type matrixTable struct {
	stride int

	mu    sync.Mutex
	seen  int
	cells map[string]map[mode]*cell
}

type cell struct{ run, clean int }

// turn says whether the next case is one of those to try.
func (x *matrixTable) turn(flow string, m mode) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cells == nil {
		x.cells = map[string]map[mode]*cell{}
	}
	if x.cells[flow] == nil {
		x.cells[flow] = map[mode]*cell{}
	}
	if x.cells[flow][m] == nil {
		x.cells[flow][m] = &cell{}
	}
	x.seen++
	return x.stride <= 1 || x.seen%x.stride == 1
}

func (x *matrixTable) played(flow string, m mode, ran, clean bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ran {
		x.cells[flow][m].run++
	}
	if clean {
		x.cells[flow][m].clean++
	}
}

// write leaves the table: clean cases of those run, by flow and mode.
func (x *matrixTable) write(t *testing.T, path string) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	names := []string{"flow"}
	for _, m := range modes {
		names = append(names, string(m))
	}
	fmt.Fprintln(w, strings.Join(append(names, "total"), "\t")+"\t")
	sums := map[mode]*cell{}
	all := &cell{}
	for _, flow := range slices.Sorted(maps.Keys(x.cells)) {
		row, sum := []string{flow}, &cell{}
		for _, m := range modes {
			c := x.cells[flow][m]
			if c == nil {
				c = &cell{}
			}
			if sums[m] == nil {
				sums[m] = &cell{}
			}
			for _, into := range []*cell{sum, sums[m], all} {
				into.run += c.run
				into.clean += c.clean
			}
			row = append(row, c.String())
		}
		fmt.Fprintln(w, strings.Join(append(row, sum.String()), "\t")+"\t")
	}
	row := []string{"total"}
	for _, m := range modes {
		row = append(row, sums[m].String())
	}
	fmt.Fprintln(w, strings.Join(append(row, all.String()), "\t")+"\t")
	_ = w.Flush()
	fmt.Fprintf(&text, "\ncases run: %d, cases clean: %d\n", all.run, all.clean)
	if path == "" {
		t.Logf("\n%s", text.String())
		return
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Error(err)
	}
}

// String is how many were clean, and of how many if not all were.
func (c *cell) String() string {
	switch {
	case c == nil || c.run == 0:
		return "-"
	case c.run == c.clean:
		return fmt.Sprint(c.clean)
	default:
		return fmt.Sprintf("%d of %d", c.clean, c.run)
	}
}

// again makes the request until it is decided, as a client would: later each
// time, since what came first may still be under way.
func again(s *scene, a answer, request func(s *scene) answer) answer {
	for tries := 0; a.status >= 500 || a.status == 409 || a.status == 429; tries++ {
		if tries == 4 {
			return a
		}
		s.passes(1, dcm.LaunchDeadline)
		a = request(s)
	}
	return a
}
