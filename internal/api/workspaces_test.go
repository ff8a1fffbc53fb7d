package api_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// work is a workspace of more than one part.
func work(t *testing.T) []byte {
	t.Helper()
	plain := make([]byte, dcm.BackupPartBytes+12345)
	if _, err := rand.Read(plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestWorkspacesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	empty := user.call("GET", "/workspaces", nil).expect(t, 200)
	if strings.TrimSpace(string(empty.body)) != `{"items":[],"nextCursor":null}` {
		t.Errorf("of none: %s", empty.body)
	}
	made := map[dcm.WorkspaceID]bool{}
	for range 3 {
		vm := user.launch()
		made[vm.WorkspaceID] = true
		user.force(vm.ID)
	}
	w.user("other").launch()
	first := decode[api.Page[api.Workspace]](t, user.call("GET", "/workspaces?limit=2", nil).expect(t, 200))
	if len(first.Items) != 2 || first.NextCursor == nil {
		t.Fatalf("first page %+v", first)
	}
	second := decode[api.Page[api.Workspace]](t, user.call("GET", "/workspaces?limit=2&cursor="+*first.NextCursor, nil).expect(t, 200))
	for _, ws := range append(first.Items, second.Items...) {
		if !made[ws.ID] || ws.TenantID != "acme" || ws.Storage != "platform" || ws.Task != nil {
			t.Errorf("listed %+v", ws)
		}
		delete(made, ws.ID)
	}
	if len(made) != 0 || second.NextCursor != nil {
		t.Errorf("not listed: %v, next %v", made, second.NextCursor)
	}
	stolen := w.user("other").call("GET", "/workspaces?limit=2&cursor="+*first.NextCursor, nil)
	if stolen.status != 400 || stolen.problem.Errors[0].Field != "cursor" {
		t.Errorf("another tenant's cursor: %d %s", stolen.status, stolen.body)
	}
}

func TestAWorkspaceIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	path := "/workspaces/" + string(vm.WorkspaceID)
	if a := user.call("DELETE", path, nil).expect(t, 409); !strings.Contains(a.problem.Detail, string(vm.ID)) {
		t.Errorf("the conflict does not name the VM: %s", a.body)
	}
	m.backup(0, []byte("first"))
	m.backup(1, []byte("second"))
	m.cleanup(2).expect(t, 202)
	if got := w.backupsIn(platformBucket, vm.WorkspaceID); len(got) != 2 {
		t.Fatalf("versions before: %v", got)
	}
	for range 2 {
		ws := decode[api.Workspace](t, user.call("DELETE", path, nil).expect(t, 202))
		if ws.Task == nil || ws.Task.Kind != dcm.TaskDelete || ws.Task.Problem != nil {
			t.Errorf("%+v", ws.Task)
		}
	}
	if a := user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 409); a.problem.Code != dcm.CodeConflict {
		t.Errorf("launched for a workspace that is being deleted: %s", a.body)
	}
	if a := user.call("POST", path+"/rotate-key", nil); a.status != 409 {
		t.Errorf("a new key for a workspace that is being deleted: %d", a.status)
	}
	w.sweepKeys()
	for _, o := range w.BucketVersions(platformBucket) {
		if strings.Contains(o.Key, string(vm.WorkspaceID)) {
			t.Errorf("left: %s@%s", o.Key, o.VersionID)
		}
	}
	if keys := w.keysOf(vm.WorkspaceID); len(keys) != 0 {
		t.Errorf("keys left: %v", keys)
	}
	for _, method := range []string{"GET", "DELETE"} {
		user.call(method, path, nil).expect(t, 404)
	}
	if used := user.tenant().Usage.StorageBytes; used != 0 {
		t.Errorf("%d bytes still count", used)
	}
}

func TestANewKey(t *testing.T) {
	t.Parallel()
	t.Run("while nobody works", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user, plain := w.user("acme"), work(t)
		id := user.saved(plain)
		before, _ := w.record("acme", id)
		if ws := user.rotate(id); ws.KeyVersion != 2 || ws.Backup.KeyVersion != 1 || ws.Task == nil || ws.Task.Kind != dcm.TaskRotate {
			t.Errorf("%+v", ws)
		}
		w.sweepKeys()
		w.tidy("acme", id, platformBucket, plain)
		ws := user.workspace(id)
		if ws.Backup.KeyVersion != 2 || ws.Generation != 2 || !ws.Backup.TakenAt.Equal(before.Backup.TakenAt) || ws.Backup.SHA256 == before.Backup.SHA256 {
			t.Errorf("%+v", ws)
		}
		if used := user.tenant().Usage.StorageBytes; used != ws.Backup.Size {
			t.Errorf("%d bytes count, the backup has %d", used, ws.Backup.Size)
		}
		// And a VM carries on from it.
		vm := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(id)).expect(t, 201))
		m := w.machine(vm.ID)
		if boot := m.bootstrap(); !bytes.Equal(w.restore(boot.Restore), plain) || boot.Generation != 2 {
			t.Errorf("restored generation %d", boot.Generation)
		}
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		if got := m.backup(2, []byte("next")); got.Generation != 3 {
			t.Errorf("generation %d", got.Generation)
		}
	})
	t.Run("twice before the sweep", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user, plain := w.user("acme"), []byte("work")
		id := user.saved(plain)
		user.rotate(id)
		if ws := user.rotate(id); ws.KeyVersion != 3 {
			t.Errorf("key version %d", ws.KeyVersion)
		}
		w.advance(time.Minute)
		w.sweepKeys()
		w.tidy("acme", id, platformBucket, plain)
	})
	t.Run("while a VM works", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.backup(0, []byte("first"))
		user.rotate(vm.WorkspaceID)
		w.sweepKeys()
		if got := w.read("acme", vm.WorkspaceID); string(got) != "first" {
			t.Errorf("the backup is %q", got)
		}
		if keys := w.keysOf(vm.WorkspaceID); len(keys) != 2 {
			t.Errorf("keys %v while the old one is needed", keys)
		}
		m.backup(1, []byte("second"))
		if ws := user.workspace(vm.WorkspaceID); ws.Backup.KeyVersion != 2 || ws.Task == nil {
			t.Errorf("%+v", ws)
		}
		// The VM may be asked to restore again what it was launched with.
		w.advance(11 * time.Minute)
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		w.sweepKeys()
		if keys := w.keysOf(vm.WorkspaceID); len(keys) != 2 {
			t.Errorf("keys %v while the VM lives", keys)
		}
		m.cleanup(2).expect(t, 202)
		w.advance(11 * time.Minute)
		w.sweepKeys()
		if keys := w.keysOf(vm.WorkspaceID); len(keys) != 1 || keys[0] != "2" {
			t.Errorf("keys %v", keys)
		}
		if ws := user.workspace(vm.WorkspaceID); ws.Task != nil || ws.Generation != 2 || string(w.read("acme", ws.ID)) != "second" {
			t.Errorf("%+v", ws)
		}
	})
	t.Run("before the first backup", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		vm := user.launch()
		user.force(vm.ID)
		if ws := user.rotate(vm.WorkspaceID); ws.KeyVersion != 1 || ws.Backup != nil {
			t.Errorf("%+v", ws)
		}
		user.rotate(vm.WorkspaceID)
		w.advance(time.Minute)
		w.sweepKeys()
		if ws := user.workspace(vm.WorkspaceID); ws.Task != nil || ws.KeyVersion != 2 {
			t.Errorf("%+v", ws)
		}
		if keys := w.keysOf(vm.WorkspaceID); len(keys) != 1 {
			t.Errorf("keys %v", keys)
		}
	})
	t.Run("in a bucket without versions", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user, plain := w.user("acme"), work(t)
		user.call("POST", "/tenant/storage", w.plainBody()).expect(t, 201)
		id := user.saved(plain)
		user.rotate(id)
		w.sweepKeys()
		w.tidy("acme", id, plainBucket, plain)
	})
	t.Run("whose order crashed before it was made", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user, plain := w.user("acme"), []byte("work")
		id := user.saved(plain)
		w.fault(map[string]any{"service": "kms", "operation": "GenerateDataKey", "mode": "error"})
		if a := user.call("POST", "/workspaces/"+string(id)+"/rotate-key", nil); a.status != 500 {
			t.Errorf("%d %s", a.status, a.body)
		}
		w.clearFaults()
		w.sweepKeys()
		w.tidy("acme", id, platformBucket, plain)
		if ws := user.workspace(id); ws.KeyVersion != 2 {
			t.Errorf("key version %d", ws.KeyVersion)
		}
	})
}

// TestAVMWins: a VM that is launched while its backup is being copied restores
// what was there, and what it saves is what stays.
func TestAVMWins(t *testing.T) {
	t.Parallel()
	for _, bucket := range []string{platformBucket, plainBucket} {
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user, plain := w.user("acme"), work(t)
			if bucket == plainBucket {
				user.call("POST", "/tenant/storage", w.plainBody()).expect(t, 201)
			}
			id := user.saved(plain)
			user.rotate(id)
			// The copy is complete; that the record says so fails.
			w.fault(map[string]any{"service": "dynamodb", "operation": "TransactWriteItems", "mode": "error"})
			w.sweepKeys()
			w.clearFaults()
			vm := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(id)).expect(t, 201))
			w.advance(2 * time.Minute)
			w.sweepKeys()
			m := w.machine(vm.ID)
			if boot := m.bootstrap(); !bytes.Equal(w.restore(boot.Restore), plain) {
				t.Fatal("the VM restored something else")
			}
			if s := w.State(); len(s.Uploads) != 0 {
				t.Errorf("uploads left: %v", s.Uploads)
			}
			m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
			m.backup(1, []byte("newer"))
			m.cleanup(2).expect(t, 202)
			w.advance(11 * time.Minute)
			w.sweepKeys()
			if got := w.read("acme", id); string(got) != "newer" {
				t.Errorf("the backup is %q", got)
			}
			if keys := w.keysOf(id); len(keys) != 1 || keys[0] != "2" {
				t.Errorf("keys %v", keys)
			}
			for _, key := range w.BucketKeys(bucket) {
				if strings.Contains(key, "reencrypted") {
					t.Errorf("left: %s", key)
				}
			}
		})
	}
}

// TestADamagedBackupIsLeftAlone: what the storage holds is not what was saved.
// Nothing takes its place, and no key goes: somebody may still mend it.
func TestADamagedBackupIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	user.call("POST", "/tenant/storage", w.plainBody()).expect(t, 201)
	id := user.saved([]byte("work"))
	before, _ := w.record("acme", id)
	err := objects.Storage(w.behind()).Put(t.Context(), dcm.Bucket{
		Name: plainBucket, Endpoint: w.Endpoint("s3"), AccessKeyID: plainKeyID, SecretAccessKey: dcm.NewSecret(plainSecret),
	}, before.Backup.Key, "application/octet-stream", []byte("something else"))
	if err != nil {
		t.Fatal(err)
	}
	user.rotate(id)
	for range 2 {
		w.sweepKeys()
		w.advance(3 * time.Minute)
	}
	after, _ := w.record("acme", id)
	if after.Backup.ID != before.Backup.ID || after.Generation != before.Generation || len(w.keysOf(id)) != 2 || len(w.State().Uploads) != 0 {
		t.Errorf("%+v with keys %v and uploads %v", after, w.keysOf(id), w.State().Uploads)
	}
	if p := user.workspace(id).Task.Problem; p == nil || p.Code != "rotate_failed" || !strings.Contains(p.Message, "is not the backup that was saved") || after.Task.Attempt != 2 {
		t.Errorf("problem %+v after %d attempts", p, after.Task.Attempt)
	}
}
