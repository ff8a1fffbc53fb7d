package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func workspaceKeys(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now()
	add := func(version int) error { return s.acme().AddWorkspaceKey(t.Context(), key(vm, version, at)) }

	for _, version := range []int{2, 3} {
		wantIs(t, add(version), dcm.ErrLostRace)
	}
	for _, version := range []int{0, -1} {
		if add(version) == nil {
			t.Fatalf("key version %d was added", version)
		}
	}
	must(t, add(1))
	wantIs(t, s.acme().AddWorkspaceKey(t.Context(), dcm.WorkspaceKey{
		WorkspaceID: vm.WorkspaceID, Version: 1, Recipient: "age1thief", Sealed: dcm.Sealed("x"), CreatedAt: at,
	}), dcm.ErrLostRace)
	ws := s.workspace(t, vm)
	wantEqual(t, ws.KeyVersion, 1)
	wantEqual(t, ws.Recipient, "age1v1")
	must(t, add(2))

	for _, version := range []int{1, 2} {
		got, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, version)
		must(t, err)
		wantEqual(t, got, key(vm, version, at))
	}
	ws = s.workspace(t, vm)
	wantEqual(t, ws.KeyVersion, 2)
	wantEqual(t, ws.Recipient, "age1v2")
	_, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, 3)
	wantCode(t, err, dcm.CodeNotFound)
	k := key(vm, 1, at)
	k.WorkspaceID = mustWorkspaceID(t)
	wantCode(t, s.acme().AddWorkspaceKey(t.Context(), k), dcm.CodeNotFound)
}

func generation(t *testing.T, s *subject) {
	vm := s.run(t, s.launch(t, acme))
	at := s.clock.Now().Add(time.Hour)
	advance := func(b dcm.Backup) error {
		return s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, b)
	}
	start := func(id dcm.BackupID) {
		t.Helper()
		_, err := s.acme().ChangeVM(t.Context(), vm.ID, dcm.VMChange{
			From: dcm.Statuses, Upload: &dcm.Upload{BackupID: id, UploadID: "up", StartedAt: at},
		})
		must(t, err)
	}

	first := backup(t, vm, 1, at)
	start(first.ID)
	must(t, advance(first))
	ws := s.workspace(t, vm)
	wantEqual(t, ws.Backup, &first)
	wantEqual(t, ws.Generation, 1)
	wantEqual(t, ws.UpdatedAt, at)
	wantEqual(t, ws.ActiveVM, vm.ID)
	got := s.vm(t, vm)
	wantEqual(t, got.Generation, 1)
	wantEqual(t, got.Upload, nil)

	// A backup from an older state never takes the place of a newer one.
	start("bk-cccccccccc")
	for _, stale := range []int64{0, 1, 3} {
		wantIs(t, advance(backup(t, vm, stale, at)), dcm.ErrLostRace)
	}
	wantEqual(t, s.workspace(t, vm).Backup, &first)
	if s.vm(t, vm).Upload == nil {
		t.Fatal("a refused backup cleared the upload")
	}

	// Nor does one of a VM that no longer holds the workspace.
	s.end(t, got)
	second := backup(t, vm, 2, at)
	wantIs(t, advance(second), dcm.ErrLostRace)
	wantEqual(t, s.workspace(t, vm).Generation, 1)

	wantCode(t, s.acme().AdvanceGeneration(t.Context(), mustVMID(t), mustWorkspaceID(t), second), dcm.CodeNotFound)
}

func finish(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now().Add(time.Hour)
	f := dcm.Finish{VM: vm.ID, Workspace: vm.WorkspaceID, At: at}
	wantIs(t, s.acme().FinishVM(t.Context(), f), dcm.ErrLostRace)
	wantEqual(t, s.vm(t, vm), vm)

	want := s.stop(t, vm)
	wrong := f
	wrong.Workspace = s.launch(t, acme).WorkspaceID
	wantIs(t, s.acme().FinishVM(t.Context(), wrong), dcm.ErrLostRace)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 2)

	must(t, s.acme().FinishVM(t.Context(), f))
	want.Status, want.StoppedAt, want.DueAt = dcm.StatusStopped, &at, time.Time{}
	wantEqual(t, s.vm(t, vm), want)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)
	ws := s.workspace(t, vm)
	wantEqual(t, ws.ActiveVM, "")
	wantEqual(t, ws.UpdatedAt, at)

	wantIs(t, s.acme().FinishVM(t.Context(), f), dcm.ErrLostRace)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)
	f.VM = mustVMID(t)
	wantCode(t, s.acme().FinishVM(t.Context(), f), dcm.CodeNotFound)
}

func finishAndDrop(t *testing.T, s *subject) {
	end := func(vm dcm.VM) {
		t.Helper()
		s.stop(t, vm)
		must(t, s.acme().FinishVM(t.Context(), dcm.Finish{
			VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now(), DropWorkspace: true,
		}))
		wantEqual(t, s.vm(t, vm).Status, dcm.StatusStopped)
		wantEqual(t, s.profile(t, acme).ActiveVMs, 0)
	}
	// Without keys, with the usual one, and after a rotation: nothing stays.
	for keys := range 4 {
		vm := s.launch(t, acme)
		for version := range keys {
			must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, version+1, s.clock.Now())))
		}
		end(vm)
		_, err := s.acme().Workspace(t.Context(), vm.WorkspaceID)
		wantCode(t, err, dcm.CodeNotFound)
		for version := range keys {
			_, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, version+1)
			wantCode(t, err, dcm.CodeNotFound)
		}
	}
	// A workspace with a backup is kept, and so is its key.
	vm := s.run(t, s.launch(t, acme))
	must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, 1, s.clock.Now())))
	b := backup(t, vm, 1, s.clock.Now())
	must(t, s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, b))
	end(vm)
	ws := s.workspace(t, vm)
	wantEqual(t, ws.Backup, &b)
	wantEqual(t, ws.ActiveVM, "")
	_, err := s.acme().WorkspaceKey(t.Context(), vm.WorkspaceID, 1)
	must(t, err)
}
