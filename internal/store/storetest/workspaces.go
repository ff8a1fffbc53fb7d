package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// task gives a workspace something to be done.
func (s *subject) task(t *testing.T, vm dcm.VM, kind dcm.TaskKind) dcm.Workspace {
	t.Helper()
	got, err := s.Tenant(vm.TenantID).ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{
		IfFree: true, Task: &dcm.WorkspaceTask{Kind: kind, Since: s.clock.Now()}, DueAt: ptr(s.clock.Now()),
	})
	must(t, err)
	return got
}

// saved is an ended VM whose workspace has a backup.
func (s *subject) saved(t *testing.T) (dcm.VM, dcm.Backup) {
	t.Helper()
	vm := s.launch(t, acme)
	must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, 1, s.clock.Now())))
	b := backup(t, vm, 1, s.clock.Now())
	must(t, s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, b))
	s.end(t, vm)
	return vm, b
}

func workspaces(t *testing.T, s *subject) {
	page, err := s.acme().Workspaces(t.Context(), dcm.WorkspaceQuery{})
	must(t, err)
	wantEqual(t, page, dcm.WorkspacePage{Items: []dcm.Workspace{}})

	vms := s.fill(t, acme, 5)
	s.fill(t, other, 2)
	s.task(t, vms[1], dcm.TaskRotate)
	var want []dcm.Workspace
	for _, vm := range vms {
		want = append(want, s.workspace(t, vm))
	}
	for _, limit := range []int{0, 1, 2, 5, 6, 1000} {
		q := dcm.WorkspaceQuery{Limit: limit}
		var all []dcm.Workspace
		for {
			page, err := s.acme().Workspaces(t.Context(), q)
			must(t, err)
			all = append(all, page.Items...)
			if page.NextCursor == "" {
				break
			}
			if limit == 0 || len(page.Items) != limit {
				t.Fatalf("a page of %d, limit %d, leads on", len(page.Items), limit)
			}
			q.Cursor = page.NextCursor
		}
		wantEqual(t, all, want)
	}
}

// foreignCursors: a cursor of one list or tenant opens no other.
func foreignCursors(t *testing.T, s *subject) {
	s.fill(t, acme, 2)
	s.fill(t, other, 2)
	for n := range 2 {
		must(t, s.acme().AddEvent(t.Context(), event(t, s.clock.Now().Add(time.Duration(n)))))
		must(t, s.acme().NoteOrphan(t.Context(), orphan(s, dcm.OrphanServer, fmt.Sprint(n), time.Hour)))
	}
	vms, err := s.acme().VMs(t.Context(), dcm.VMQuery{Limit: 1})
	must(t, err)
	workspaces, err := s.acme().Workspaces(t.Context(), dcm.WorkspaceQuery{Limit: 1})
	must(t, err)
	events, err := s.acme().Events(t.Context(), dcm.EventQuery{Limit: 1})
	must(t, err)
	orphans, err := s.acme().Orphans(t.Context(), dcm.OrphanQuery{Limit: 1})
	must(t, err)
	cursors := map[string]string{
		"vms": vms.NextCursor, "workspaces": workspaces.NextCursor, "events": events.NextCursor, "orphans": orphans.NextCursor, "none": "AAAA",
	}
	lists := map[string]func(dcm.TenantStore, string) error{
		"vms": func(ts dcm.TenantStore, cursor string) error {
			_, err := ts.VMs(t.Context(), dcm.VMQuery{Cursor: cursor})
			return err
		},
		"workspaces": func(ts dcm.TenantStore, cursor string) error {
			_, err := ts.Workspaces(t.Context(), dcm.WorkspaceQuery{Cursor: cursor})
			return err
		},
		"events": func(ts dcm.TenantStore, cursor string) error {
			_, err := ts.Events(t.Context(), dcm.EventQuery{Cursor: cursor})
			return err
		},
		"orphans": func(ts dcm.TenantStore, cursor string) error {
			_, err := ts.Orphans(t.Context(), dcm.OrphanQuery{Cursor: cursor})
			return err
		},
	}
	for list, read := range lists {
		for of, cursor := range cursors {
			if cursor == "" {
				t.Fatalf("no cursor of %s", of)
			}
			for _, tenant := range []dcm.TenantID{acme, other} {
				err := read(s.Tenant(tenant), cursor)
				if list == of && tenant == acme {
					must(t, err)
					continue
				}
				e := wantCode(t, err, dcm.CodeInvalid)
				wantEqual(t, len(e.Fields), 1)
				wantEqual(t, e.Fields[0].Field, "cursor")
			}
		}
	}
}

// changeWorkspace sets every field that a change can, and clears every one it
// can.
func changeWorkspace(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now().Add(time.Hour)
	want := s.workspace(t, vm)
	check := func(c dcm.WorkspaceChange) {
		t.Helper()
		got, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, c)
		must(t, err)
		wantEqual(t, got, want)
		wantEqual(t, s.workspace(t, vm), want)
	}
	want.Task = &dcm.WorkspaceTask{
		Kind: dcm.TaskMove, Target: "ac-2", KeyVersion: 3, Since: at, Attempt: 2,
		Upload: &dcm.Upload{
			BackupID: "bk-aaaaaaaaaa", UploadID: "up", FromGeneration: 4, KeyVersion: 3, StartedAt: at,
			Expected: &dcm.UploadExpectation{SizeBytes: 5, SHA256: "ff"},
		},
		Replaced: ptr(backup(t, vm, 9, at)),
		Problem:  &dcm.Problem{Code: "x", Message: "y"},
	}
	want.Task.Replaced.StorageID = "ac-1"
	want.StorageID, want.DueAt, want.UpdatedAt = "ac-1", at.Truncate(time.Second), at
	check(dcm.WorkspaceChange{Task: want.Task, StorageID: &want.StorageID, DueAt: &at, UpdatedAt: at})
	want.Task = &dcm.WorkspaceTask{Kind: dcm.TaskDelete, Since: at}
	check(dcm.WorkspaceChange{Task: want.Task})
	want.Task, want.StorageID, want.DueAt = nil, dcm.PlatformAccount, time.Time{}
	check(dcm.WorkspaceChange{ClearTask: true, StorageID: &want.StorageID, DueAt: &time.Time{}})

	for _, id := range []dcm.WorkspaceID{mustWorkspaceID(t), "", "x"} {
		_, err := s.acme().ChangeWorkspace(t.Context(), id, dcm.WorkspaceChange{UpdatedAt: at})
		wantCode(t, err, dcm.CodeNotFound)
	}
}

// workspaceConditions: each holds or not by itself, and one that fails changes
// nothing and shows the workspace as it is.
func workspaceConditions(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now()
	try := func(name string, holds bool, c dcm.WorkspaceChange) {
		t.Helper()
		before := s.workspace(t, vm)
		at = at.Add(time.Second)
		c.UpdatedAt = at
		got, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, c)
		after := s.workspace(t, vm)
		wantEqual(t, got, after)
		if holds {
			must(t, err)
			wantEqual(t, after.UpdatedAt, at)
			return
		}
		if err == nil {
			t.Fatalf("%s: was written", name)
		}
		wantIs(t, err, dcm.ErrLostRace)
		wantEqual(t, after, before)
	}
	due := at.Add(time.Hour)
	upload := dcm.BackupID("bk-aaaaaaaaaa")
	try("held", false, dcm.WorkspaceChange{IfFree: true})
	try("no task", true, dcm.WorkspaceChange{IfTask: ptr(dcm.NoTask)})
	try("a task", false, dcm.WorkspaceChange{IfTask: ptr(dcm.TaskRotate)})
	try("no upload", true, dcm.WorkspaceChange{IfUpload: ptr(dcm.NoUpload)})
	try("an upload", false, dcm.WorkspaceChange{IfUpload: &upload})
	try("not due", true, dcm.WorkspaceChange{IfDueAt: &time.Time{}})
	try("due", false, dcm.WorkspaceChange{IfDueAt: &due})
	try("generation", true, dcm.WorkspaceChange{IfGeneration: ptr(int64(0))})
	try("other generation", false, dcm.WorkspaceChange{IfGeneration: ptr(int64(1))})
	try("storage of none", true, dcm.WorkspaceChange{StorageID: ptr(dcm.AccountID("ac-1"))})
	try("storage back", true, dcm.WorkspaceChange{StorageID: ptr(dcm.PlatformAccount)})

	must(t, s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, backup(t, vm, 1, at)))
	s.end(t, vm)
	_, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{
		Task: &dcm.WorkspaceTask{Kind: dcm.TaskRotate, Upload: &dcm.Upload{BackupID: upload}}, DueAt: &due,
	})
	must(t, err)
	try("free", true, dcm.WorkspaceChange{IfFree: true})
	try("not without task", false, dcm.WorkspaceChange{IfTask: ptr(dcm.NoTask)})
	try("this task", true, dcm.WorkspaceChange{IfTask: ptr(dcm.TaskRotate)})
	try("other task", false, dcm.WorkspaceChange{IfTask: ptr(dcm.TaskDelete)})
	try("not without upload", false, dcm.WorkspaceChange{IfUpload: ptr(dcm.NoUpload)})
	try("this upload", true, dcm.WorkspaceChange{IfUpload: &upload})
	try("other upload", false, dcm.WorkspaceChange{IfUpload: ptr(dcm.BackupID("bk-bbbbbbbbbb"))})
	try("same due", true, dcm.WorkspaceChange{IfDueAt: &due})
	try("was not due", false, dcm.WorkspaceChange{IfDueAt: &time.Time{}})
	try("storage of a backup", false, dcm.WorkspaceChange{StorageID: ptr(dcm.AccountID("ac-1"))})
	try("all but one", false, dcm.WorkspaceChange{IfFree: true, IfTask: ptr(dcm.TaskRotate), IfGeneration: ptr(int64(0)), IfDueAt: &due})
	try("all at once", true, dcm.WorkspaceChange{IfFree: true, IfTask: ptr(dcm.TaskRotate), IfGeneration: ptr(int64(1)), IfDueAt: &due})
}

func dueWorkspaces(t *testing.T, s *subject) {
	read := func(until time.Time) map[dcm.WorkspaceID]dcm.DueWorkspace {
		t.Helper()
		all := map[dcm.WorkspaceID]dcm.DueWorkspace{}
		for shard := range dcm.DueShards {
			found, err := s.DueWorkspaces(t.Context(), shard, until, 100)
			must(t, err)
			for _, d := range found {
				all[d.Workspace] = d
			}
		}
		return all
	}
	vms := s.fill(t, acme, 3)
	vms = append(vms, s.fill(t, other, 3)...)
	at := s.clock.Now().Truncate(time.Second)
	for _, vm := range vms {
		s.task(t, vm, dcm.TaskMove)
	}
	wantEqual(t, len(read(at.Add(-time.Second))), 0)
	found := read(at)
	wantEqual(t, len(found), len(vms))
	for _, vm := range vms {
		wantEqual(t, found[vm.WorkspaceID], dcm.DueWorkspace{Tenant: vm.TenantID, Workspace: vm.WorkspaceID, DueAt: at})
	}
	// VMs are due in a list of their own, and so are tenants.
	s.launch(t, acme)
	wantEqual(t, len(read(at.Add(time.Hour))), len(vms))
	wantEqual(t, len(s.dueTenants(t)), 0)

	// One that is done or gone leaves.
	_, err := s.acme().ChangeWorkspace(t.Context(), vms[0].WorkspaceID, dcm.WorkspaceChange{ClearTask: true, DueAt: &time.Time{}})
	must(t, err)
	s.task(t, vms[1], dcm.TaskDelete)
	must(t, s.acme().DropWorkspace(t.Context(), vms[1].WorkspaceID, at))
	wantEqual(t, len(read(at.Add(time.Hour))), len(vms)-2)
}

// replaceBackup: a copy takes the place of exactly the backup it was made of.
func replaceBackup(t *testing.T, s *subject) {
	vm, from := s.saved(t)
	to := from
	to.ID, to.Key, to.VersionID, to.SizeBytes, to.SHA256 = "bk-zzzzzzzzzz", "other", "v9", 5, "cd34"
	to.StorageID, to.KeyVersion, to.Generation = "ac-1", 2, 2
	replace := func(from, to dcm.Backup) error {
		return s.acme().ReplaceBackup(t.Context(), vm.WorkspaceID, from, to)
	}
	wantIs(t, replace(from, to), dcm.ErrLostRace) // nothing is to be done
	before := s.task(t, vm, dcm.TaskMove)
	_, err := s.acme().ChangeWorkspace(t.Context(), vm.WorkspaceID, dcm.WorkspaceChange{
		Task: &dcm.WorkspaceTask{Kind: dcm.TaskMove, Since: before.Task.Since, Upload: &dcm.Upload{BackupID: to.ID}},
	})
	must(t, err)
	for name, other := range map[string]func(*dcm.Backup){
		"id":         func(b *dcm.Backup) { b.ID = "bk-yyyyyyyyyy" },
		"key":        func(b *dcm.Backup) { b.Key = "x" },
		"version":    func(b *dcm.Backup) { b.VersionID = "x" },
		"size":       func(b *dcm.Backup) { b.SizeBytes++ },
		"storage":    func(b *dcm.Backup) { b.StorageID = "ac-9" },
		"generation": func(b *dcm.Backup) { b.Generation++ },
	} {
		stale := from
		other(&stale)
		if err := replace(stale, to); !lost(err) {
			t.Fatalf("a copy of a backup of another %s: %v", name, err)
		}
	}
	s.clock.Advance(time.Minute)
	must(t, replace(from, to))
	want := before
	want.Backup, want.Generation, want.StorageID, want.UpdatedAt = &to, 2, "ac-1", s.clock.Now()
	want.Task = &dcm.WorkspaceTask{Kind: dcm.TaskMove, Since: before.Task.Since, Replaced: &from}
	wantEqual(t, s.workspace(t, vm), want)
	wantEqual(t, s.profile(t, acme).StorageBytes, 5)
	wantIs(t, replace(from, to), dcm.ErrLostRace)
	wantEqual(t, s.profile(t, acme).StorageBytes, 5)

	// Back to the platform's.
	must(t, replace(to, from))
	wantEqual(t, s.workspace(t, vm).StorageID, dcm.PlatformAccount)
	wantEqual(t, s.profile(t, acme).StorageBytes, from.SizeBytes)

	// Not under a VM.
	must(t, s.acme().CreateVM(t.Context(), s.resumption(t, vm)))
	wantIs(t, replace(from, to), dcm.ErrLostRace)
	wantEqual(t, s.workspace(t, vm).Backup, &from)
	wantCode(t, s.acme().ReplaceBackup(t.Context(), mustWorkspaceID(t), from, to), dcm.CodeNotFound)
}

// launchOnWhatWas: a launch that saw a workspace before its backup moved, or
// before it was to be deleted, is refused.
func launchOnWhatWas(t *testing.T, s *subject) {
	vm, from := s.saved(t)
	stale := s.resumption(t, vm)
	s.task(t, vm, dcm.TaskRotate)
	to := from
	to.VersionID = "v9"
	must(t, s.acme().ReplaceBackup(t.Context(), vm.WorkspaceID, from, to))
	wantIs(t, s.acme().CreateVM(t.Context(), stale), dcm.ErrLostRace)

	empty := s.launch(t, acme)
	s.end(t, empty)
	stale = s.resumption(t, empty)
	_, err := s.acme().ChangeWorkspace(t.Context(), empty.WorkspaceID, dcm.WorkspaceChange{StorageID: ptr(dcm.AccountID("ac-1"))})
	must(t, err)
	wantIs(t, s.acme().CreateVM(t.Context(), stale), dcm.ErrLostRace)

	s.task(t, vm, dcm.TaskDelete)
	e := wantCode(t, s.acme().CreateVM(t.Context(), s.resumption(t, vm)), dcm.CodeConflict)
	wantEqual(t, e.Message, "the workspace is being deleted")
	s.task(t, vm, dcm.TaskMove)
	must(t, s.acme().CreateVM(t.Context(), s.resumption(t, vm)))
}

func retireKeys(t *testing.T, s *subject) {
	vm, b := s.saved(t)
	have := func() (versions []int) {
		t.Helper()
		for version := 1; version <= 120; version++ {
			_, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, version)
			if err == nil {
				versions = append(versions, version)
			} else {
				wantCode(t, err, dcm.CodeNotFound)
			}
		}
		return versions
	}
	for version := 2; version <= 4; version++ {
		must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, version, s.clock.Now())))
	}
	retire := func(below int) error { return s.acme().RetireKeys(t.Context(), vm.WorkspaceID, below) }
	must(t, retire(1))
	for _, needed := range []int{2, 4, 5} {
		wantIs(t, retire(needed), dcm.ErrLostRace)
	}
	wantEqual(t, have(), []int{1, 2, 3, 4})

	renewed := b
	renewed.KeyVersion, renewed.VersionID = 3, "v9"
	s.task(t, vm, dcm.TaskRotate)
	must(t, s.acme().ReplaceBackup(t.Context(), vm.WorkspaceID, b, renewed))
	must(t, retire(2))
	wantEqual(t, have(), []int{2, 3, 4})
	wantIs(t, retire(4), dcm.ErrLostRace)
	again := s.resumption(t, vm)
	must(t, s.acme().CreateVM(t.Context(), again))
	wantIs(t, retire(3), dcm.ErrLostRace)
	s.end(t, again.VM)
	must(t, retire(3))
	must(t, retire(3))
	wantEqual(t, have(), []int{3, 4})

	// However many there are.
	for version := 5; version <= 110; version++ {
		must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, version, s.clock.Now())))
	}
	newest := renewed
	newest.KeyVersion, newest.VersionID = 110, "v10"
	must(t, s.acme().ReplaceBackup(t.Context(), vm.WorkspaceID, renewed, newest))
	must(t, retire(110))
	wantEqual(t, have(), []int{110})
	wantCode(t, s.acme().RetireKeys(t.Context(), mustWorkspaceID(t), 2), dcm.CodeNotFound)
}

func dropWorkspace(t *testing.T, s *subject) {
	vm, _ := s.saved(t)
	kept, b := s.saved(t)
	at := s.clock.Now()
	drop := func() error { return s.acme().DropWorkspace(t.Context(), vm.WorkspaceID, at) }
	wantIs(t, drop(), dcm.ErrLostRace)
	s.task(t, vm, dcm.TaskRotate)
	wantIs(t, drop(), dcm.ErrLostRace)
	s.task(t, vm, dcm.TaskDelete)
	for version := 2; version <= 95; version++ {
		must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, version, at)))
	}
	must(t, drop())
	_, err := s.acme().Workspace(t.Context(), vm.WorkspaceID)
	wantCode(t, err, dcm.CodeNotFound)
	for version := range 95 {
		_, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, version+1)
		wantCode(t, err, dcm.CodeNotFound)
	}
	wantEqual(t, s.profile(t, acme).StorageBytes, b.SizeBytes)
	wantCode(t, drop(), dcm.CodeNotFound)
	wantEqual(t, s.profile(t, acme).StorageBytes, b.SizeBytes)
	wantEqual(t, s.workspace(t, kept).Backup, &b)

	// One that was never backed up weighs nothing.
	s.end(t, s.launch(t, acme))
	empty := s.fill(t, acme, 1)[0]
	s.task(t, empty, dcm.TaskDelete)
	must(t, s.acme().DropWorkspace(t.Context(), empty.WorkspaceID, at))
	wantEqual(t, s.profile(t, acme).StorageBytes, b.SizeBytes)
}
