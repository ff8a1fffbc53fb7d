package storetest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// fill launches and ends n VMs a second apart, and returns them newest first.
func (s *subject) fill(t *testing.T, tenant dcm.TenantID, n int) []dcm.VM {
	t.Helper()
	vms := make([]dcm.VM, n)
	for i := range n {
		vm := s.launch(t, tenant)
		s.end(t, vm)
		vms[n-1-i] = s.vm(t, vm)
		s.clock.Advance(time.Second)
	}
	return vms
}

// pages reads a list to its end.
func (s *subject) pages(t *testing.T, tenant dcm.TenantID, q dcm.VMQuery) (all []dcm.VM, sizes []int) {
	t.Helper()
	for range 100 {
		page, err := s.Tenant(tenant).VMs(t.Context(), q)
		must(t, err)
		all = append(all, page.Items...)
		sizes = append(sizes, len(page.Items))
		if page.NextCursor == "" {
			return all, sizes
		}
		if page.NextCursor == q.Cursor {
			t.Fatal("a page leads to itself")
		}
		q.Cursor = page.NextCursor
	}
	t.Fatal("the list has no end")
	return nil, nil
}

func list(t *testing.T, s *subject) {
	page, err := s.acme().VMs(t.Context(), dcm.VMQuery{Limit: 10})
	must(t, err)
	wantEqual(t, page, dcm.VMPage{Items: []dcm.VM{}})

	vms := s.fill(t, acme, 7)
	s.fill(t, other, 2)
	for limit, want := range map[int][]int{1: {1, 1, 1, 1, 1, 1, 1}, 3: {3, 3, 1}, 6: {6, 1}, 7: {7}, 8: {7}, 0: {7}, 1000: {7}} {
		all, sizes := s.pages(t, acme, dcm.VMQuery{Limit: limit})
		wantEqual(t, sizes, want)
		wantEqual(t, all, vms)
	}

	// What comes and goes while somebody pages moves nothing else.
	first, err := s.acme().VMs(t.Context(), dcm.VMQuery{Limit: 3})
	must(t, err)
	s.launch(t, acme)
	rest, _ := s.pages(t, acme, dcm.VMQuery{Limit: 3, Cursor: first.NextCursor})
	wantEqual(t, append(first.Items, rest...), vms)

	// Those of one instant are all there too.
	for range Quota {
		s.launch(t, "twins")
	}
	all, sizes := s.pages(t, "twins", dcm.VMQuery{Limit: 1})
	wantEqual(t, sizes, []int{1, 1, 1})
	seen := map[dcm.VMID]bool{}
	for _, vm := range all {
		seen[vm.ID] = true
	}
	wantEqual(t, len(seen), Quota)
}

func listFiltered(t *testing.T, s *subject) {
	stopped := s.fill(t, acme, 5)
	running := s.run(t, s.launch(t, acme))
	s.clock.Advance(time.Second)
	creating := s.launch(t, acme)

	// The same workspace, again and again.
	var resumed []dcm.VM
	for range 3 {
		s.clock.Advance(time.Second)
		i := s.intent(t, acme)
		i.Workspace = s.workspace(t, stopped[2])
		i.Workspace.ActiveVM, i.VM.WorkspaceID, i.NewWorkspace = i.VM.ID, i.Workspace.ID, false
		must(t, s.acme().CreateVM(t.Context(), i))
		s.end(t, i.VM)
		resumed = append([]dcm.VM{s.vm(t, i.VM)}, resumed...)
	}
	ofWorkspace := append(append([]dcm.VM{}, resumed...), stopped[2])
	allStopped := append(append([]dcm.VM{}, resumed...), stopped...)

	for _, c := range []struct {
		q    dcm.VMQuery
		want []dcm.VM
	}{
		{dcm.VMQuery{Status: dcm.StatusRunning}, []dcm.VM{running}},
		{dcm.VMQuery{Status: dcm.StatusCreating}, []dcm.VM{creating}},
		{dcm.VMQuery{Status: dcm.StatusStopping}, nil},
		{dcm.VMQuery{Status: dcm.StatusStopped}, allStopped},
		{dcm.VMQuery{Workspace: stopped[2].WorkspaceID}, ofWorkspace},
		{dcm.VMQuery{Workspace: stopped[2].WorkspaceID, Status: dcm.StatusStopped}, ofWorkspace},
		{dcm.VMQuery{Workspace: stopped[2].WorkspaceID, Status: dcm.StatusRunning}, nil},
		{dcm.VMQuery{Workspace: mustWorkspaceID(t)}, nil},
	} {
		for _, limit := range []int{1, 2, 3, 4, 100} {
			c.q.Limit = limit
			all, sizes := s.pages(t, acme, c.q)
			wantEqual(t, all, c.want)
			for _, size := range sizes[:len(sizes)-1] {
				// So few VMs fit one read: pages before the last are full.
				wantEqual(t, size, limit)
			}
		}
	}
}

// cursor: it belongs to its tenant and its filter, tells nothing, and anything
// else is refused with the field's name.
func cursor(t *testing.T, s *subject) {
	vms := s.fill(t, acme, 4)
	s.fill(t, other, 4)
	page, err := s.acme().VMs(t.Context(), dcm.VMQuery{Limit: 2})
	must(t, err)
	good := page.NextCursor
	raw, err := base64.RawURLEncoding.DecodeString(good)
	must(t, err)
	for _, secret := range []string{"TENANT", "acme", "VM#"} {
		if strings.Contains(string(raw), secret) {
			t.Fatalf("the cursor %q carries %q", raw, secret)
		}
	}
	rest, err := s.acme().VMs(t.Context(), dcm.VMQuery{Limit: 100, Cursor: good})
	must(t, err)
	wantEqual(t, rest, dcm.VMPage{Items: vms[2:]})

	refused := func(tenant dcm.TenantID, q dcm.VMQuery) {
		t.Helper()
		page, err := s.Tenant(tenant).VMs(t.Context(), q)
		e := wantCode(t, err, dcm.CodeInvalid)
		if len(e.Fields) != 1 || e.Fields[0].Field != "cursor" || len(page.Items) > 0 {
			t.Fatalf("got %+v and %d items", e.Fields, len(page.Items))
		}
	}
	refused(other, dcm.VMQuery{Cursor: good})
	refused(acme, dcm.VMQuery{Cursor: good, Status: dcm.StatusStopped})
	refused(acme, dcm.VMQuery{Cursor: good, Workspace: vms[0].WorkspaceID})
	for i := range raw {
		bent := []byte(string(raw))
		bent[i] ^= 1
		refused(acme, dcm.VMQuery{Cursor: base64.RawURLEncoding.EncodeToString(bent)})
	}
	for _, bad := range []string{
		"x", "====", good + "A", good[1:], good[:len(good)-1], strings.Repeat("A", 5000), "\x00", "null",
		base64.StdEncoding.EncodeToString([]byte(`{"PK":"TENANT#acme-2"}`)), good + "\n",
	} {
		refused(acme, dcm.VMQuery{Cursor: bad})
	}
}
