package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// This file looks behind the API: at what a VM would be given if one were
// launched now, without launching one.

const (
	plainBucket = "acme-plain"
	plainKeyID  = "AKIAACMEPLAIN"
	plainSecret = "acme-plain-secret-0123456789"
)

// behind is the control plane's own way to what it keeps.
func (w *world) behind() *app.App {
	w.t.Helper()
	a, err := app.New(app.Options{Function: "test", Getenv: w.getenv, Output: io.Discard})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// record reads a workspace with what opens its storage.
func (w *world) record(t dcm.TenantID, id dcm.WorkspaceID) (dcm.Workspace, dcm.TenantAccounts) {
	w.t.Helper()
	ws, accounts, err := w.behind().Store().Tenant(t).WorkspaceWithAccounts(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return ws, accounts
}

// read reads a workspace's backup as a VM would: exactly the version on record,
// checked, with the key on record.
func (w *world) read(t dcm.TenantID, id dcm.WorkspaceID) []byte {
	w.t.Helper()
	ws, accounts := w.record(t, id)
	if ws.Backup == nil {
		w.t.Fatal("there is no backup")
	}
	plain, err := w.open(ws, accounts)
	if err != nil {
		w.t.Fatalf("the backup can't be read: %v\n%+v", err, *ws.Backup)
	}
	return plain
}

func (w *world) open(ws dcm.Workspace, accounts dcm.TenantAccounts) ([]byte, error) {
	ctx, a, b := w.t.Context(), w.behind(), *ws.Backup
	key, err := a.Store().Tenant(ws.TenantID).WorkspaceKey(ctx, ws.ID, b.KeyVersion)
	if err != nil {
		return nil, err
	}
	secret, err := keys.Sealer(a).Open(ctx, dcm.SealContext{
		Tenant: ws.TenantID, Purpose: dcm.PurposeWorkspaceKey, Resource: fmt.Sprintf("%s#%d", ws.ID, key.Version),
	}, key.Sealed)
	if err != nil {
		return nil, err
	}
	identity, err := age.ParseX25519Identity(secret.Reveal())
	if err != nil {
		return nil, err
	}
	buckets := &tenancy.Accounts{
		BucketName: platformBucket, Sealer: keys.Sealer(a),
		DNSToken: func(context.Context) (dcm.Secret, error) { return dcm.Secret{}, nil },
	}
	bucket, err := buckets.Bucket(ctx, accounts, b.StorageID)
	if err != nil {
		return nil, err
	}
	body, err := objects.Storage(a).Open(ctx, bucket, b.Key, b.VersionID)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	sealed, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if int64(len(sealed)) != b.SizeBytes || digest(sealed) != b.SHA256 {
		return nil, fmt.Errorf("%d bytes with digest %s are not what is on record", len(sealed), digest(sealed))
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

// keysOf lists the versions of a workspace's key that exist.
func (w *world) keysOf(id dcm.WorkspaceID) []string {
	w.t.Helper()
	var items []struct{ SK string }
	if err := json.Unmarshal(w.dump(), &items); err != nil {
		w.t.Fatal(err)
	}
	var versions []string
	for _, item := range items {
		if version, ok := strings.CutPrefix(item.SK, "KEY#"+string(id)+"#"); ok {
			versions = append(versions, version)
		}
	}
	return versions
}

// backupsIn lists every version of every object of a workspace but metadata.json.
func (w *world) backupsIn(bucket string, id dcm.WorkspaceID) []string {
	var found []string
	for _, v := range w.BucketVersions(bucket) {
		if strings.Contains(v.Key, string(id)) && !strings.HasSuffix(v.Key, "/metadata.json") {
			found = append(found, v.Key+"@"+v.VersionID)
		}
	}
	return found
}

// tidy checks what must hold once a task is done: one backup, under its own
// name, with one key, readable, and nothing else anywhere.
func (w *world) tidy(t dcm.TenantID, id dcm.WorkspaceID, bucket string, plain []byte) {
	w.t.Helper()
	ws, _ := w.record(t, id)
	if ws.Task != nil || !ws.DueAt.IsZero() {
		w.t.Errorf("still to be done: %+v at %v", ws.Task, ws.DueAt)
	}
	if !bytes.Equal(w.read(t, id), plain) {
		w.t.Error("the backup holds something else")
	}
	if keys := w.keysOf(id); len(keys) != 1 || keys[0] != fmt.Sprint(ws.KeyVersion) || ws.Backup.KeyVersion != ws.KeyVersion {
		w.t.Errorf("keys %v, the workspace's is %d, its backup's %d", keys, ws.KeyVersion, ws.Backup.KeyVersion)
	}
	if ws.Backup.Key != string(t)+"/"+string(id)+"/workspace.tar.gz.enc" {
		w.t.Errorf("the backup lies under %s", ws.Backup.Key)
	}
	version := ws.Backup.VersionID
	if version == "" {
		version = "null"
	}
	for _, b := range []string{platformBucket, ownBucket, plainBucket} {
		want := []string(nil)
		if b == bucket {
			want = []string{ws.Backup.Key + "@" + version}
		}
		if got := w.backupsIn(b, id); !slices.Equal(got, want) {
			w.t.Errorf("%s holds %v, want %v", b, got, want)
		}
	}
	if s := w.State(); len(s.Uploads) != 0 {
		w.t.Errorf("uploads left: %v", s.Uploads)
	}
}

// sweepKeys runs sweep-keys now.
func (w *world) sweepKeys() {
	w.t.Helper()
	caller{w: w}.call("POST", "/_local/schedules/sweep-keys", nil).expect(w.t, 200)
}

// saved makes a workspace whose backup holds plain, and that no VM holds.
func (c caller) saved(plain []byte) dcm.WorkspaceID {
	c.w.t.Helper()
	m, vm := c.w.running(c)
	m.backup(0, plain)
	m.cleanup(1).expect(c.w.t, 202)
	return vm.WorkspaceID
}

func (c caller) workspace(id dcm.WorkspaceID) api.Workspace {
	c.w.t.Helper()
	return decode[api.Workspace](c.w.t, c.call("GET", "/workspaces/"+string(id), nil).expect(c.w.t, 200))
}

func (c caller) rotate(id dcm.WorkspaceID) api.Workspace {
	c.w.t.Helper()
	a := c.call("POST", "/workspaces/"+string(id)+"/rotate-key", nil).expect(c.w.t, 202)
	return decode[api.Workspace](c.w.t, a)
}

func (w *world) plainBody() map[string]any {
	w.AddBucket(plainBucket, false, plainKeyID, dcm.NewSecret(plainSecret))
	body := w.storageBody()
	body["bucket"], body["accessKeyId"], body["secretAccessKey"] = plainBucket, plainKeyID, plainSecret
	return body
}
