package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// dump is the whole table, as one would leak it.
func (w *world) dump() []byte {
	w.t.Helper()
	raw, err := json.Marshal(w.Items())
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// withoutEvents is the table but for the audit log, which notes refusals too.
func withoutEvents(t *testing.T, dump []byte) string {
	t.Helper()
	var items []map[string]any
	if err := json.Unmarshal(dump, &items); err != nil {
		t.Fatal(err)
	}
	items = slices.DeleteFunc(items, func(i map[string]any) bool { return strings.Contains(fmt.Sprint(i["SK"]), "EVENT#") })
	raw, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestCreatedVM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	a := user.call("POST", "/vms", w.launchBody()).expect(t, 201)
	vm := decode[api.CreatedVM](t, a)
	if a.header.Get("Location") != w.URL+"/vms/"+string(vm.ID) {
		t.Errorf("location %q", a.header.Get("Location"))
	}
	if !vm.ID.Valid() || !vm.WorkspaceID.Valid() || vm.TenantID != "acme" || vm.Status != dcm.StatusCreating ||
		vm.Hostname != string(vm.ID)+".acme.vm.localhost" || vm.Price == nil || vm.IP == nil || len(vm.TerminalPassword) < 20 ||
		vm.URLs.UI != fmt.Sprintf("http://ui.%s:%d", vm.Hostname, w.EdgePort) ||
		vm.URLs.Port != fmt.Sprintf("http://{port}.%s:%d", vm.Hostname, w.EdgePort) || vm.Idle.TimeoutMinutes != 30 {
		t.Errorf("VM %+v", vm)
	}
	s := w.State()
	if len(s.Servers) != 1 || s.Servers[0].Name != "dcm-"+string(vm.ID) || s.Servers[0].Labels["tenant-id"] != "acme" ||
		s.Servers[0].Labels["managed-by"] != "devcontainer-manager" || s.Servers[0].Labels["installation"] != "local" {
		t.Errorf("servers %+v", s.Servers)
	}
	if len(s.DNSRecords) == 0 || s.DNSRecords[0].Name != "*."+vm.Hostname || s.DNSRecords[0].Content != *vm.IP {
		t.Errorf("records %+v", s.DNSRecords)
	}
	got := user.call("GET", "/vms/"+string(vm.ID), nil).expect(t, 200)
	if bytes.Contains(got.body, []byte(vm.TerminalPassword)) || bytes.Contains(got.body, []byte("terminalPassword")) {
		t.Error("the password is shown again")
	}
	if bytes.Contains(w.dump(), []byte(vm.TerminalPassword)) {
		t.Error("the table holds the password in clear")
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	first := decode[api.CreatedVM](t, user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k1").expect(t, 201))
	again := decode[api.CreatedVM](t, user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k1").expect(t, 201))
	if again.ID != first.ID || again.TerminalPassword != first.TerminalPassword {
		t.Errorf("answered %s with %q, then %s with %q", first.ID, first.TerminalPassword, again.ID, again.TerminalPassword)
	}
	other := user.call("POST", "/vms", w.launchWith("name", "other"), "Idempotency-Key", "k1")
	if other.status != 409 || other.problem.Code != dcm.CodeConflict {
		t.Errorf("another body: %d %s", other.status, other.body)
	}
	elsewhere := decode[api.CreatedVM](t, w.user("evil").call("POST", "/vms", w.launchBody(), "Idempotency-Key", "k1").expect(t, 201))
	if elsewhere.ID == first.ID {
		t.Error("another tenant's key answers this tenant's VM")
	}
	var all sync.WaitGroup
	ids := make([]dcm.VMID, 8)
	for i := range ids {
		all.Go(func() {
			a := user.call("POST", "/vms", w.launchBody(), "Idempotency-Key", "race")
			var vm api.CreatedVM
			if json.Unmarshal(a.body, &vm) == nil && a.status == 201 {
				ids[i] = vm.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Errorf("one key, several answers: %v", ids)
			break
		}
	}
	if n := len(w.State().Servers); n != 3 {
		t.Errorf("%d servers, want 3", n)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "10"})
	user := w.user("acme")
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		made []dcm.VMID
		over int
	)
	for range 200 {
		all.Go(func() {
			a := user.call("POST", "/vms", w.launchBody())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.status == 201:
				made = append(made, decode[api.CreatedVM](t, a).ID)
			case a.problem.Code == dcm.CodeQuotaExceeded && strings.Contains(a.problem.Detail, "10"):
				over++
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if len(made) != 10 || over != 190 || len(w.State().Servers) != 10 {
		t.Fatalf("%d VMs, %d refused, %d servers", len(made), over, len(w.State().Servers))
	}
	user.call("DELETE", "/vms/"+string(made[0])+"?force=true", nil).expect(t, 202)
	user.launch()
	if a := user.call("POST", "/vms", w.launchBody()); a.status != 429 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.user("other").launch()
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	var made []dcm.VMID
	for range 5 {
		w.advance(1e9)
		made = append(made, user.launch().ID)
	}
	slices.Reverse(made)
	user.call("DELETE", "/vms/"+string(made[1])+"?force=true", nil).expect(t, 202)
	list := func(query string) ([]dcm.VMID, string) {
		page := decode[api.Page[api.VM]](t, user.call("GET", "/vms?"+query, nil).expect(t, 200))
		var ids []dcm.VMID
		for _, vm := range page.Items {
			ids = append(ids, vm.ID)
		}
		if page.NextCursor == nil {
			return ids, ""
		}
		return ids, *page.NextCursor
	}
	var seen []dcm.VMID
	for cursor := ""; ; {
		query := "limit=2"
		if cursor != "" {
			query += "&cursor=" + cursor
		}
		var ids []dcm.VMID
		if ids, cursor = list(query); len(ids) > 2 {
			t.Errorf("%d items on a page of 2", len(ids))
		}
		if seen = append(seen, ids...); cursor == "" {
			break
		}
	}
	if !slices.Equal(seen, made) {
		t.Errorf("paged through %v, want newest first %v", seen, made)
	}
	if ids, _ := list("status=stopped"); !slices.Equal(ids, made[1:2]) {
		t.Errorf("stopped: %v", ids)
	}
	ws := user.get(made[0]).WorkspaceID
	if ids, _ := list("workspaceId=" + string(ws)); !slices.Equal(ids, made[:1]) {
		t.Errorf("of %s: %v", ws, ids)
	}
	_, cursor := list("limit=2")
	if a := w.user("evil").call("GET", "/vms?limit=2&cursor="+cursor, nil); a.status != 400 {
		t.Errorf("another tenant's cursor: %d %s", a.status, a.body)
	}
	if a := user.call("GET", "/vms?status=stopped&cursor="+cursor, nil); a.status != 400 {
		t.Errorf("another filter's cursor: %d %s", a.status, a.body)
	}
}

// TestTenantsCantTellEachOthersThings: another tenant's id is answered byte for
// byte as one that never was.
func TestTenantsCantTellEachOthersThings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	m, vm := w.running(w.user("acme"))
	m.backup(0, []byte("x"))
	evil := w.user("evil")
	before := w.dump()
	for _, r := range []struct{ method, mine, madeUp string }{
		{"GET", "/vms/" + string(vm.ID), "/vms/vm-abcdefghjk"},
		{"DELETE", "/vms/" + string(vm.ID), "/vms/vm-abcdefghjk"},
		{"DELETE", "/vms/" + string(vm.ID) + "?force=true", "/vms/vm-abcdefghjk?force=true"},
		{"GET", "/workspaces/" + string(vm.WorkspaceID), "/workspaces/ws-abcdefghjk"},
	} {
		a, b := evil.call(r.method, r.mine, nil), evil.call(r.method, r.madeUp, nil)
		if a.status != 404 || !bytes.Equal(withoutID(a), withoutID(b)) {
			t.Errorf("%s %s: %d %s, made up: %d %s", r.method, r.mine, a.status, a.body, b.status, b.body)
		}
	}
	a := evil.call("POST", "/vms", w.resumeBody(vm.WorkspaceID))
	b := evil.call("POST", "/vms", w.resumeBody("ws-abcdefghjk"))
	if a.status != 404 || !bytes.Equal(withoutID(a), withoutID(b)) {
		t.Errorf("resume: %s, made up: %s", a.body, b.body)
	}
	if withoutEvents(t, before) != withoutEvents(t, w.dump()) {
		t.Error("something changed")
	}
}

func withoutID(a answer) []byte {
	return bytes.ReplaceAll(a.body, []byte(a.problem.RequestID), nil)
}

func TestTwoVMsForOneWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	if a := user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)); a.status != 409 || !strings.Contains(a.problem.Detail, string(vm.ID)) {
		t.Errorf("%d %s", a.status, a.body)
	}
	m.backup(0, []byte("x"))
	m.cleanup(1).expect(t, 202)
	if a := user.call("POST", "/vms", map[string]any{"name": "x", "size": "small", "workspaceId": vm.WorkspaceID, "repoUrl": "https://example.com/other"}); a.status != 400 {
		t.Errorf("another repository: %d %s", a.status, a.body)
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		made int
	)
	for range 6 {
		all.Go(func() {
			a := user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID))
			mu.Lock()
			defer mu.Unlock()
			if a.status == 201 {
				made++
			} else if a.status != 409 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if made != 1 || len(w.State().Servers) != 1 {
		t.Errorf("%d VMs and %d servers for one workspace", made, len(w.State().Servers))
	}
}
