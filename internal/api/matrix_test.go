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
// With DCM_TEST_DYNAMODB_ENDPOINT set the table is in another DynamoDB, and only
// the calls to it are disturbed.
//
// DCM_MATRIX_STRIDE says how many cases lie between two that are tried, and
// DCM_MATRIX_TABLE where to leave a table; `make matrix` tries every case.
func TestMatrix(t *testing.T) {
	t.Parallel()
	table := &matrixTable{cells: map[string]map[mode]*cell{}}
	t.Cleanup(func() { table.write(t, os.Getenv("DCM_MATRIX_TABLE")) })
	all, stages := flows(), &stages{t: t}
	stride := number(t, "DCM_MATRIX_STRIDE", sampleStride)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if stride == sampleStride && i%4 != 0 {
			continue // a sample need not record every flow
		}
		m := &matrix{flow: all[name], name: name, table: table, stages: stages, stride: stride, offset: i}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.run(t)
		})
	}
}

// sampleStride is what is tried when nobody asks for more.
const sampleStride = 51

// matrix is the cases of one flow.
type matrix struct {
	flow
	name   string
	table  *matrixTable
	stages *stages
	// Of every stride cases one is tried, and of each flow another one first.
	stride, offset int
	calls          []outsideCall
}

// run records the flow's calls, and plays the cases that they make.
func (m *matrix) run(t *testing.T) {
	m.stages.use(t, m.record)
	if t.Failed() {
		return
	}
	for i, call := range m.calls {
		var chosen []mode
		for j, mode := range modes {
			if (i*len(modes)+j+m.offset)%m.stride == 0 {
				chosen = append(chosen, mode)
			}
		}
		if len(chosen) == 0 {
			continue
		}
		t.Run(call.String(), func(t *testing.T) {
			t.Parallel()
			for _, mode := range chosen {
				t.Run(string(mode), func(t *testing.T) {
					defer func() { m.table.played(m.name, mode, !t.Failed()) }()
					m.stages.use(t, func(s *scene) { m.play(s, matrixCase{call, mode}) })
				})
			}
		})
	}
}

// record runs the flow undisturbed, and notes its calls.
func (m *matrix) record(s *scene) {
	m.before(s)
	p := s.pools[m.function]
	p.cold(nil)
	a := m.request(s)
	m.calls = p.last
	if os.Getenv("DCM_TEST_DYNAMODB_ENDPOINT") != "" {
		m.calls = slices.DeleteFunc(m.calls, func(c outsideCall) bool { return c.service != "dynamodb" })
	}
	if a.status >= 300 {
		s.t.Fatalf("undisturbed it fails: %d %s", a.status, a.body)
	}
	m.ends(s, a)
}

// play plays one case.
func (m *matrix) play(s *scene, c matrixCase) {
	m.before(s)
	twins := make(chan answer, 1)
	p := s.pools[m.function]
	p.cold(&disturbance{mode: c.mode, at: c.at, most: 2 * len(m.calls), twin: func() { twins <- m.request(s) }})
	a := m.request(s)
	s.twins.Wait()
	select {
	case twin := <-twins:
		// One client sent both, and makes do with one answer.
		if a.status >= 300 {
			a = twin
		}
	default:
	}
	m.ends(s, a)
	if s.t.Failed() {
		s.t.Logf("answered %d %s", a.status, a.body)
	}
}

// ends has the sender hear the answer, time pass and everything end, and
// checks what must hold before and after the end.
func (m *matrix) ends(s *scene, a answer) {
	s.t.Helper()
	if m.heard != nil {
		m.heard(s, a)
	}
	s.passes(time.Minute)
	s.passes(4 * time.Minute)
	s.passes(dcm.OrphanGrace)
	s.passes(dcm.ReconcileInterval)
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
	b := s.books(s.tenant)
	for _, wrong := range s.breaches(b) {
		s.t.Errorf("%s: %s", when, wrong)
	}
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
	s.passes(time.Minute)
	s.passes(time.Minute)
	for _, vm := range s.books(s.tenant).live() {
		s.t.Errorf("VM %s is still %s", vm.ID, vm.Status)
	}
}

// matrixTable counts cases by flow and mode.
type matrixTable struct {
	mu    sync.Mutex
	cells map[string]map[mode]*cell
}

type cell struct{ run, clean int }

func (x *matrixTable) played(flow string, m mode, clean bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cells[flow] == nil {
		x.cells[flow] = map[mode]*cell{}
	}
	c := x.cells[flow][m]
	if c == nil {
		c = &cell{}
		x.cells[flow][m] = c
	}
	c.run++
	if clean {
		c.clean++
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
	for tries := 0; a.status >= 400 && a.status != 404; tries++ {
		if tries == 4 {
			return a
		}
		s.passes(dcm.LaunchDeadline)
		a = request(s)
	}
	return a
}
