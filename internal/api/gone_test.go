package api_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// inOwnBucket is a tenant whose workspace's backup lies in a bucket of its own.
// It is gone once the status is a 404.
func inOwnBucket(t *testing.T) (w *world, user caller, id dcm.WorkspaceID, status *atomic.Int32) {
	t.Helper()
	endpoint, status := fickle(t)
	w = newWorld(t, nil)
	w.bringAlong()
	user = w.user("acme")
	body := w.storageBody()
	body["endpoint"] = endpoint(w)
	user.call("POST", "/tenant/storage", body).expect(t, 201)
	return w, user, user.saved([]byte("work")), status
}

// TestAWorkspaceWhoseBucketIsGone: what was stored of it in the tenant's own
// bucket is gone with that, so that it can be deleted, or has moved away. The
// platform's bucket is there, and what seems otherwise is tried again.
func TestAWorkspaceWhoseBucketIsGone(t *testing.T) {
	t.Parallel()
	t.Run("the tenant's own", func(t *testing.T) {
		t.Parallel()
		w, user, id, status := inOwnBucket(t)
		status.Store(http.StatusInternalServerError)
		user.call("DELETE", "/workspaces/"+string(id), nil).expect(t, 202)
		w.sweepKeys()
		if task := user.workspace(id).Task; task == nil || task.Problem == nil {
			t.Errorf("deleted at a storage that fails: %+v", task)
		}
		status.Store(http.StatusNotFound)
		w.advance(time.Hour)
		w.sweepKeys()
		user.call("GET", "/workspaces/"+string(id), nil).expect(t, 404)
		if keys, used := w.keysOf(id), user.tenant().Usage.StorageBytes; len(keys) != 0 || used != 0 {
			t.Errorf("left are the keys %v and %d bytes", keys, used)
		}
	})
	t.Run("the platform's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		id := user.saved([]byte("work"))
		user.call("DELETE", "/workspaces/"+string(id), nil).expect(t, 202)
		w.fault(map[string]any{"service": "s3", "mode": "error", "code": "NoSuchBucket"})
		w.sweepKeys()
		w.clearFaults()
		if task := user.workspace(id).Task; task == nil || task.Problem == nil || len(w.keysOf(id)) == 0 {
			t.Errorf("%+v, keys %v", task, w.keysOf(id))
		}
		w.advance(time.Hour)
		w.sweepKeys()
		user.call("GET", "/workspaces/"+string(id), nil).expect(t, 404)
	})
	t.Run("the one that it moved from", func(t *testing.T) {
		t.Parallel()
		w, user, id, status := inOwnBucket(t)
		user.call("DELETE", "/tenant/storage", nil).expect(t, 200)
		w.fault(map[string]any{"service": "s3", "operation": "ListObjectVersions", "mode": "error", "code": "InvalidRequest"})
		w.sweepKeys()
		w.clearFaults()
		if ws, _ := w.record("acme", id); ws.Task == nil || ws.Task.Replaced == nil || ws.Backup.StorageID != dcm.PlatformAccount {
			t.Fatalf("%+v, %+v", ws.Task, ws.Backup)
		}
		status.Store(http.StatusNotFound)
		w.advance(time.Hour)
		w.sweepKeys()
		if ws, _ := w.record("acme", id); ws.Task != nil || string(w.read("acme", id)) != "work" {
			t.Errorf("still to be done: %+v", ws.Task)
		}
	})
}

// TestAnOrphanWhoseBucketIsGone: an upload that was noted and not ended is
// settled, and the bucket that holds nothing is no account that fails.
func TestAnOrphanWhoseBucketIsGone(t *testing.T) {
	t.Parallel()
	w, user, id, status := inOwnBucket(t)
	w.startUpload(w.ownBucket(), dcm.BackupKey("acme", id))
	w.old()
	w.advance(dcm.ReconcileInterval)
	w.fault(map[string]any{"service": "s3", "operation": "AbortMultipartUpload", "mode": "error", "code": "InvalidRequest"})
	if report := w.sweepOrphans(); report.Removed != 0 || report.Left != 1 {
		t.Fatalf("%+v", report)
	}
	w.clearFaults()
	status.Store(http.StatusNotFound)
	w.advance(dcm.ReconcileInterval)
	if report := w.sweepOrphans(); report.Removed != 1 || report.Failed != 0 {
		t.Errorf("%+v", report)
	}
	page := decode[api.Page[api.Orphan]](t, user.call("GET", "/tenant/orphans", nil).expect(t, 200))
	if len(page.Items) != 1 || page.Items[0].ConfirmedAt == nil {
		t.Errorf("the receipt is %+v", page.Items)
	}
}
