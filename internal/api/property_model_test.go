package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// modelQuota is how many VMs a tenant of the model may hold.
const modelQuota = 4

// model is what must be so.
type model struct {
	*world
	tenants []*modelTenant
	// disturbed says that a call of the step under way fails, shaken that one
	// failed since the sweeps last came to an end of everything.
	disturbed, shaken bool
	// deaf says that the failing call may be one that writes the audit log: an
	// answer stands, though its entry could not be written.
	deaf     bool
	launches int
}

type modelTenant struct {
	id         dcm.TenantID
	user       caller
	zone       string
	vms        []*modelVM
	workspaces []*modelWorkspace
	// lost says that a launch has just failed, and may have left a record.
	lost bool
	// heard counts what the tenant's user was answered, by action and result;
	// unheard those of them of which there may be no entry.
	heard, unheard map[entry]int
}

type modelVM struct {
	id         dcm.VMID
	workspace  *modelWorkspace
	machine    *machine
	status     dcm.Status
	booted     bool
	ran        bool
	generation int64
	restored   int64
	createdAt  time.Time
	// letGo says that it may end without another backup.
	letGo bool
}

// modelWorkspace is gone once its first VM has ended without a backup.
type modelWorkspace struct {
	id         dcm.WorkspaceID
	generation int64
	content    []byte
	vm         *modelVM
	// ordered says that another key or another place was asked for, ever, doomed
	// that its deletion was.
	ordered, doomed bool
}

func (x *modelTenant) live() []*modelVM {
	return slices.DeleteFunc(slices.Clone(x.vms), func(v *modelVM) bool { return v.status == dcm.StatusStopped })
}

// order notes that backups may be moved.
func (x *modelTenant) order() {
	for _, ws := range x.workspaces {
		ws.ordered = true
	}
}

// played are the VMs whose machines the test plays.
func (x *modelTenant) played() []*modelVM {
	return slices.DeleteFunc(slices.Clone(x.vms), func(v *modelVM) bool { return v.machine == nil })
}

func pickOf[T any](all []T, n int) (T, bool) {
	if len(all) == 0 {
		var none T
		return none, false
	}
	return all[n%len(all)], true
}

// modelStep is an operation of the model, and how often it is played.
type modelStep struct {
	name   string
	weight int
	do     func(*model, *modelTenant, step)
}

func steps() []modelStep {
	return []modelStep{
		{"create", 4, (*model).create},
		{"resume", 4, (*model).resume},
		{"get", 2, (*model).get},
		{"delete", 2, (*model).delete},
		{"force", 2, (*model).force},
		{"bootstrap", 6, (*model).bootstrap},
		{"beat", 8, (*model).beat},
		{"backup", 6, (*model).backup},
		{"cleanup", 3, (*model).cleanup},
		{"rotate", 2, (*model).rotate},
		{"set", 2, (*model).set},
		{"reset", 1, (*model).reset},
		{"advance", 3, (*model).advanceClock},
		{"sweep", 2, (*model).sweepAll},
		{"drop", 1, (*model).drop},
		{"disturb", 4, (*model).disturb},
		{"settle", 1, (*model).settle},
	}
}

// want fails the test unless the answer has one of the statuses.
func (m *model) want(what string, a answer, statuses ...int) {
	m.t.Helper()
	if !slices.Contains(statuses, a.status) {
		m.t.Fatalf("%s: status %d, want one of %v: %s", what, a.status, statuses, a.body)
	}
}

func (m *model) create(x *modelTenant, _ step) { m.launch(x, nil, m.launchBody()) }

func (m *model) resume(x *modelTenant, s step) {
	if ws, ok := pickOf(x.workspaces, s.Pick); ok {
		m.launch(x, ws, m.resumeBody(ws.id))
	}
}

func (m *model) launch(x *modelTenant, ws *modelWorkspace, body map[string]any) {
	m.launches++
	a := x.user.call("POST", "/vms", body, "Idempotency-Key", fmt.Sprintf("launch-%d", m.launches))
	switch {
	case ws != nil && ws.doomed:
		m.want("launch for a workspace that is being deleted", a, 404, 409)
		return
	case ws != nil && ws.vm != nil:
		m.want("launch for a workspace in use", a, 409)
		return
	case len(x.live()) >= modelQuota:
		m.want("launch beyond the quota", a, 429)
		return
	}
	if m.disturbed && a.status != 201 {
		m.want("a launch that a failure undid", a, 500, 503)
		x.lost = true
		return
	}
	m.want("launch", a, 201)
	created := decode[api.CreatedVM](m.t, a)
	if ws == nil {
		ws = &modelWorkspace{id: created.WorkspaceID}
		x.workspaces = append(x.workspaces, ws)
	}
	if created.WorkspaceID != ws.id || created.TenantID != x.id {
		m.t.Fatalf("launched %+v for %s of %s", created, ws.id, x.id)
	}
	if wrong := m.lookAt(x, ws); wrong != "" { // a sweep may just have been there
		m.t.Fatal(wrong)
	}
	ws.vm = &modelVM{id: created.ID, workspace: ws, status: created.Status, createdAt: m.Now()}
	ws.vm.generation, ws.vm.restored = ws.generation, ws.generation
	ws.vm.machine = m.machine(created.ID)
	x.vms = append(x.vms, ws.vm)
}

// get looks at a VM as its owner, and as somebody else.
func (m *model) get(x *modelTenant, s step) {
	vm, ok := pickOf(x.played(), s.Pick)
	if !ok {
		return
	}
	m.want("get", x.user.call("GET", "/vms/"+string(vm.id), nil), 200)
	other := m.tenants[(slices.Index(m.tenants, x)+1+s.Amount%2)%len(m.tenants)]
	for _, method := range []string{"GET", "DELETE"} {
		m.want(method+" of another tenant's VM", other.user.call(method, "/vms/"+string(vm.id)+"", nil), 404)
	}
	if vm.workspace.id != "" { // it may be gone
		m.want("resuming another tenant's workspace", other.user.call("POST", "/vms", m.resumeBody(vm.workspace.id)), 404)
	}
	m.want("another VM's token", caller{m.world, vm.machine.token}.call("POST", "/vms/vm-abcdefghjk/heartbeat", dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady}), 401)
}

func (m *model) delete(x *modelTenant, s step) {
	if vm, ok := pickOf(x.live(), s.Pick); ok {
		m.want("delete", x.user.call("DELETE", "/vms/"+string(vm.id), nil), 202)
	}
}

func (m *model) force(x *modelTenant, s step) {
	if vm, ok := pickOf(x.vms, s.Pick); ok {
		vm.letGo = true
		m.want("force", x.user.call("DELETE", "/vms/"+string(vm.id)+"?force=true", nil), 202)
	}
}

func (m *model) bootstrap(x *modelTenant, s step) {
	starting := slices.DeleteFunc(x.live(), func(v *modelVM) bool { return v.booted || v.machine == nil || v.status != dcm.StatusCreating })
	vm, ok := pickOf(starting, s.Pick)
	if !ok || m.Now().Sub(vm.createdAt) > dcm.BootDeadline-time.Minute {
		return // a sweep may take it for dead by now
	}
	boot := vm.machine.bootstrap()
	vm.booted = true
	if boot.Generation != vm.generation || (boot.Restore != nil) != (vm.generation > 0) {
		m.t.Fatalf("%s starts from generation %d, want %d", vm.id, boot.Generation, vm.generation)
	}
	if boot.Restore != nil && !bytes.Equal(m.restore(boot.Restore), vm.workspace.content) {
		m.t.Fatalf("%s restored something else than was acknowledged last", vm.id)
	}
}

// beat sends one VM's heartbeat; every third time all of the tenant's.
func (m *model) beat(x *modelTenant, s step) {
	booted := slices.DeleteFunc(x.live(), func(v *modelVM) bool { return !v.booted })
	if vm, ok := pickOf(booted, s.Pick); ok && s.Amount%3 != 0 {
		booted = []*modelVM{vm}
	}
	for _, vm := range booted {
		a := vm.machine.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
		if stop := vm.status == dcm.StatusStopping; stop && a.Command != dcm.CommandStop {
			m.t.Fatalf("stopping %s was told %+v", vm.id, a)
		}
	}
}

func (m *model) backup(x *modelTenant, s step) {
	vm, ok := pickOf(slices.DeleteFunc(x.live(), func(v *modelVM) bool { return !v.ran || v.letGo }), s.Pick)
	if !ok {
		return
	}
	// Only what the VM itself wrote it may name the generation before of: it may
	// not have heard of its success.
	if stale := vm.restored - 1; stale >= 0 && s.Amount%5 == 0 {
		m.want("a backup from an older generation", vm.machine.call("POST", vm.machine.path("/backups"), dcm.BackupStart{Generation: stale}), 409)
	}
	content := fmt.Appendf(nil, "%s %s %d %d", x.id, vm.id, vm.generation, s.Pick)
	if s.Amount%2 == 0 { // an upload that never ends
		m.want("a backup's start", vm.machine.call("POST", vm.machine.path("/backups"), dcm.BackupStart{Generation: vm.generation}), 201)
	}
	done := vm.machine.backup(vm.generation, content)
	if done.Generation != vm.generation+1 {
		m.t.Fatalf("generation %d after %d", done.Generation, vm.generation)
	}
	vm.generation = done.Generation
	vm.workspace.generation, vm.workspace.content = done.Generation, content
}

func (m *model) cleanup(x *modelTenant, s step) {
	vm, ok := pickOf(slices.DeleteFunc(x.live(), func(v *modelVM) bool { return !v.ran }), s.Pick)
	if !ok {
		return
	}
	if s.Amount%4 == 0 && !vm.letGo {
		m.want("cleanup with another generation", vm.machine.cleanup(vm.generation+1), 409)
		return
	}
	vm.letGo = true
	m.want("cleanup", vm.machine.cleanup(vm.generation), 202)
}

func (m *model) rotate(x *modelTenant, s step) {
	if ws, ok := pickOf(x.workspaces, s.Pick); ok {
		ws.ordered = true
		m.want("rotate", x.user.call("POST", "/workspaces/"+string(ws.id)+"/rotate-key", nil), 202, 404, 409)
	}
}

// drop deletes a workspace, which is refused while a VM holds it.
func (m *model) drop(x *modelTenant, s step) {
	ws, ok := pickOf(x.workspaces, s.Pick)
	if !ok {
		return
	}
	a := x.user.call("DELETE", "/workspaces/"+string(ws.id), nil)
	switch {
	case ws.vm != nil:
		m.want("delete a workspace in use", a, 409)
	case ws.doomed:
		m.want("delete it again", a, 202, 404)
	default:
		m.want("delete a workspace", a, 202)
		ws.doomed = true
	}
}

func (m *model) set(x *modelTenant, s step) {
	path, body := m.settings(x, s.Pick)
	x.order()
	expected := []int{201, 409}
	if m.disturbed { // their check may be what was refused
		expected = append(expected, 400)
	}
	m.want("POST "+path, x.user.call("POST", path, body), expected...)
}

func (m *model) reset(x *modelTenant, s step) {
	path, _ := m.settings(x, s.Pick)
	x.order()
	if path == "/tenant/providers" {
		path += "/hetzner"
	}
	m.want("DELETE "+path, x.user.call("DELETE", path, nil), 200, 404, 409)
}

func (m *model) advanceClock(_ *modelTenant, s step) {
	m.advance(time.Duration(s.Amount) * time.Minute)
}

func (m *model) sweepAll(*modelTenant, step) {
	m.sweep()
	caller{w: m.world}.call("POST", "/_local/schedules/sweep-keys", nil).expect(m.t, 200)
}

// check compares what these tenants can see, and what is outside, with the
// model. A scheduled sweep may be between two looks at any time, at any tenant,
// so that a difference counts if it stays.
func (m *model) check(tenants ...*modelTenant) {
	m.t.Helper()
	var wrong string
	for range 200 {
		if wrong = m.difference(tenants); wrong == "" {
			return
		}
		tenants = m.tenants
		if err := dcm.Sleep(m.t.Context(), 10*time.Millisecond); err != nil {
			break
		}
	}
	m.t.Errorf("%s", wrong)
}

func (m *model) difference(tenants []*modelTenant) string {
	for _, x := range tenants {
		if wrong := m.look(x); wrong != "" {
			return wrong
		}
		seen := x.user.tenant()
		if seen.Usage.ActiveVMs != len(x.live()) || len(x.live()) > modelQuota {
			return fmt.Sprintf("%s holds %d quota slots for %d VMs", x.id, seen.Usage.ActiveVMs, len(x.live()))
		}
	}
	return m.outside()
}

// outside compares servers and records with the live VMs. What a failure left
// half way may have lost its server, or some record, before the VM has ended.
func (m *model) outside() string {
	live, servers, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	s := m.State()
	for _, server := range s.Servers {
		servers[server.Labels[dcm.LabelVM]] = true
	}
	for _, r := range s.DNSRecords {
		names[r.Name[2:15]] = true
	}
	for _, x := range m.tenants {
		for _, vm := range x.live() {
			live[string(vm.id)] = true
			if m.shaken && (vm.machine == nil || vm.status == dcm.StatusStopping) {
				delete(live, string(vm.id))
				delete(servers, string(vm.id))
				delete(names, string(vm.id))
			}
		}
	}
	if !maps.Equal(servers, live) || !m.shaken && len(s.Servers) != len(live) {
		return fmt.Sprintf("servers of %v, live VMs %v", servers, live)
	}
	if !maps.Equal(names, live) {
		return fmt.Sprintf("records of %v, live VMs %v", names, live)
	}
	return ""
}

// look lists a tenant's VMs and workspaces, and brings the model's states up to
// date: a sweep ends VMs on its own, but only forwards.
func (m *model) look(x *modelTenant) string {
	listed := map[dcm.VMID]api.VM{}
	for cursor := ""; ; {
		a := x.user.call("GET", "/vms?limit=100"+cursor, nil).expect(m.t, 200)
		page := decode[api.Page[api.VM]](m.t, a)
		for _, vm := range page.Items {
			listed[vm.ID] = vm
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	m.adopt(x, listed)
	for _, vm := range x.vms {
		seen, ok := listed[vm.id]
		if !ok || seen.TenantID != x.id {
			return fmt.Sprintf("%s is not in the list of %s", vm.id, x.id)
		}
		if slices.Index(dcm.Statuses, seen.Status) < slices.Index(dcm.Statuses, vm.status) {
			return fmt.Sprintf("%s went from %s to %s", vm.id, vm.status, seen.Status)
		}
		vm.status, vm.ran = seen.Status, seen.RunningAt != nil
		if vm.status == dcm.StatusStopped && vm.workspace.vm == vm {
			vm.workspace.vm = nil
		}
	}
	if len(listed) != len(x.vms) {
		return fmt.Sprintf("%s sees %d VMs, it has %d", x.id, len(listed), len(x.vms))
	}
	x.workspaces = slices.DeleteFunc(x.workspaces, func(ws *modelWorkspace) bool { return ws.vm == nil && ws.generation == 0 })
	for _, ws := range x.workspaces {
		if wrong := m.lookAt(x, ws); wrong != "" {
			return wrong
		}
	}
	x.workspaces = slices.DeleteFunc(x.workspaces, func(ws *modelWorkspace) bool { return ws.id == "" })
	return ""
}

// adopt takes up the record that a failed launch left. It runs nothing, and holds
// its slot and its workspace until a sweep has ended it.
func (m *model) adopt(x *modelTenant, listed map[dcm.VMID]api.VM) {
	known := map[dcm.VMID]bool{}
	for _, vm := range x.vms {
		known[vm.id] = true
	}
	for id, seen := range listed {
		if known[id] || !x.lost {
			continue
		}
		x.lost = false
		vm := &modelVM{id: id, status: seen.Status, createdAt: seen.CreatedAt, workspace: &modelWorkspace{}}
		for _, ws := range x.workspaces {
			if ws.id == seen.WorkspaceID {
				vm.workspace = ws
			}
		}
		vm.workspace.vm = vm
		x.vms = append(x.vms, vm)
	}
	x.lost = false
}

// lookAt compares a workspace. While no VM holds it, a sweep may re-encrypt or
// move its backup, if that was ordered: the same content is then at a newer
// generation.
func (m *model) lookAt(x *modelTenant, ws *modelWorkspace) string {
	var seen api.Workspace
	a := x.user.call("GET", "/workspaces/"+string(ws.id), nil)
	if a.status == 404 && ws.doomed {
		ws.id = "" // it is gone
		return ""
	}
	if a.status != 200 || json.Unmarshal(a.body, &seen) != nil {
		return fmt.Sprintf("workspace %s: %s", ws.id, a.body)
	}
	if ws.ordered && ws.vm == nil && ws.generation > 0 && seen.Generation > ws.generation {
		ws.generation = seen.Generation
	}
	if seen.Generation != ws.generation {
		return fmt.Sprintf("workspace %s is at %s, want generation %d", ws.id, a.body, ws.generation)
	}
	return ""
}
