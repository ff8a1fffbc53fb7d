package api_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// storages lists a tenant's own storages that are still on record.
func (w *world) storages(t dcm.TenantID) map[dcm.AccountID]dcm.StorageAccount {
	w.t.Helper()
	accounts, err := w.behind().Store().Tenant(t).Accounts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return accounts.Tenant.StorageAccounts
}

func TestBackupsFollowTheirTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user, plain := w.user("acme"), work(t)
	id := user.saved(plain)
	fresh := user.launch()
	user.force(fresh.ID)
	held, holder := w.running(user)
	held.backup(0, []byte("held"))

	user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	w.sweepKeys()
	w.tidy("acme", id, ownBucket, plain)
	if ws := user.workspace(id); ws.Storage != "custom" || ws.Generation != 2 || ws.Backup.KeyVersion != 1 {
		t.Errorf("%+v", ws)
	}
	if ws := user.workspace(fresh.WorkspaceID); ws.Storage != "custom" || ws.Task != nil {
		t.Errorf("without a backup: %+v", ws)
	}
	if ws := user.workspace(holder.WorkspaceID); ws.Storage != "platform" {
		t.Errorf("held by a VM: %+v", ws)
	}
	if got := w.backupsIn(platformBucket, id); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	// A VM keeps its storage until it ends; then its workspace follows.
	held.backup(1, []byte("held to the end"))
	if got := w.backupsIn(platformBucket, holder.WorkspaceID); len(got) != 2 {
		t.Errorf("versions %v", got)
	}
	held.cleanup(2).expect(t, 202)
	w.advance(11 * time.Minute)
	w.sweepKeys()
	w.tidy("acme", holder.WorkspaceID, ownBucket, []byte("held to the end"))

	// Back again. The account is forgotten once nothing needs it.
	user.call("DELETE", "/tenant/storage", nil).expect(t, 200)
	w.sweepKeys()
	w.tidy("acme", id, platformBucket, plain)
	if len(w.storages("acme")) != 1 {
		t.Errorf("forgotten too early: %v", w.storages("acme"))
	}
	w.advance(11 * time.Minute)
	w.sweepKeys()
	if left := w.storages("acme"); len(left) != 0 {
		t.Errorf("still known: %v", left)
	}
	if got := w.BucketKeys(ownBucket); len(got) != 0 {
		t.Errorf("left in the tenant's bucket: %v", got)
	}
	vm := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(id)).expect(t, 201))
	if boot := w.machine(vm.ID).bootstrap(); !bytes.Equal(w.restore(boot.Restore), plain) {
		t.Error("the VM restored something else")
	}
}

// TestTwoNamesOfOneBucket: what looks like a move is none, and cleaning up after
// it must not delete the backup.
func TestTwoNamesOfOneBucket(t *testing.T) {
	t.Parallel()
	for _, bucket := range []string{ownBucket, plainBucket} {
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.bringAlong()
			user, plain := w.user("acme"), work(t)
			body := w.storageBody()
			if bucket == plainBucket {
				body = w.plainBody()
			}
			user.call("POST", "/tenant/storage", body).expect(t, 201)
			id := user.saved(plain)
			first, _ := w.record("acme", id)
			body["endpoint"] = strings.Replace(w.Endpoint("s3"), "127.0.0.1", "localhost", 1)
			user.call("POST", "/tenant/storage", body).expect(t, 201)
			if len(w.storages("acme")) != 2 {
				t.Skip("both names are one account") // then there is nothing to move
			}
			w.sweepKeys()
			w.tidy("acme", id, bucket, plain)
			if ws, _ := w.record("acme", id); ws.StorageID == first.StorageID || ws.Backup.VersionID != first.Backup.VersionID {
				t.Errorf("%+v was %+v", ws.Backup, first.Backup)
			}
			w.advance(11 * time.Minute)
			w.sweepKeys()
			if left := w.storages("acme"); len(left) != 1 {
				t.Errorf("still known: %v", left)
			}
			w.tidy("acme", id, bucket, plain)
		})
	}
}

// TestABrokenStorage: it is told, and it is in nobody else's way.
func TestABrokenStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user, plain := w.user("acme"), []byte("work")
	id := user.saved(plain)
	other := w.user("other")
	theirs := other.saved([]byte("theirs"))
	user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	w.RevokeAccessKey(ownKeyID)
	other.rotate(theirs)
	w.sweepKeys()
	w.tidy("other", theirs, platformBucket, []byte("theirs"))
	ws := user.workspace(id)
	if ws.Task == nil || ws.Task.Problem == nil || ws.Task.Problem.Code != "move_failed" || !strings.Contains(ws.Task.Problem.Message, "credentials") {
		t.Fatalf("%+v", ws.Task)
	}
	if !bytes.Equal(w.read("acme", id), plain) {
		t.Error("the backup can't be read")
	}
	w.AddBucket(ownBucket, true, ownKeyID, dcm.NewSecret(ownSecret))
	w.advance(2 * time.Minute)
	w.sweepKeys()
	w.tidy("acme", id, ownBucket, plain)
}
