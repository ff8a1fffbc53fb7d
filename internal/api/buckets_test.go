package api_test

import (
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestOwnBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	set := user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	v := decode[api.StorageConfig](t, set)
	if v.Type != "custom" || *v.Bucket != ownBucket || *v.AccessKeyID != "****7Q2X" || *v.Region != "eu-central-1" || len(*v.Fingerprint) != 12 {
		t.Errorf("%s", set.body)
	}
	if s := w.State(); len(s.Uploads) != 0 || len(s.Objects) != 1 { // the agent is the one
		t.Errorf("the check left something: %+v", s.Objects)
	}
	m, vm := w.running(user)
	m.backup(0, []byte("work"))
	ws := decode[api.Workspace](t, user.call("GET", "/workspaces/"+string(vm.WorkspaceID), nil).expect(t, 200))
	if ws.Backup == nil || !strings.HasPrefix(ws.Backup.Key, "acme/") {
		t.Errorf("%+v", ws)
	}
	if got := w.BucketKeys(ownBucket); len(got) == 0 {
		t.Error("the backup is not in the tenant's bucket")
	}
	if got := w.BucketKeys("dcm-local"); len(got) != 1 {
		t.Errorf("the platform's bucket holds %v", got)
	}
	m.cleanup(1).expect(t, 202)
	// Another key to the same bucket opens the old backups.
	w.AddBucket(ownBucket, true, "AKIAACMESTORAGEROTATED", dcm.NewSecret("rotated-secret"))
	w.RevokeAccessKey(ownKeyID)
	body := w.storageBody()
	body["accessKeyId"], body["secretAccessKey"] = "AKIAACMESTORAGEROTATED", "rotated-secret"
	body["endpoint"] = w.Endpoint("s3") + "/"
	user.call("POST", "/tenant/storage", body).expect(t, 201)
	again := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
	m = w.machine(again.ID)
	if boot := m.bootstrap(); boot.Restore == nil || !strings.Contains(boot.Restore.URL, "AKIAACMESTORAGEROTATED") || strings.Contains(boot.Restore.URL, "rotated-secret") {
		t.Errorf("%+v", boot.Restore)
	}
	reset := user.call("DELETE", "/tenant/storage", nil).expect(t, 200)
	if v := decode[api.StorageConfig](t, reset); v.Type != "platform" || v.Bucket != nil {
		t.Errorf("%s", reset.body)
	}
	w.keepsSecret([]string{ownSecret, "rotated-secret"}, set, reset, user.call("GET", "/tenant", nil))
}

func TestBucketsThatCantBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	for _, operation := range []string{"PutObject", "GetObject", "ListObjectsV2", "CreateMultipartUpload", "DeleteObject"} {
		w.AddBucket("acme-no-"+strings.ToLower(operation), false, "AKIANO"+operation, dcm.NewSecret(ownSecret), operation)
	}
	user := w.user("acme")
	for name, c := range map[string]struct {
		fields map[string]any
		blamed string
		code   dcm.Code
	}{
		"key unknown":   {map[string]any{"accessKeyId": "AKIANOBODY"}, "accessKeyId", dcm.CodeProviderAuth},
		"secret wrong":  {map[string]any{"secretAccessKey": "wrong"}, "accessKeyId", dcm.CodeProviderAuth},
		"other bucket":  {map[string]any{"bucket": "dcm-local"}, "accessKeyId", dcm.CodeProviderAuth},
		"may not write": {map[string]any{"bucket": "acme-no-putobject", "accessKeyId": "AKIANOPutObject"}, "accessKeyId", dcm.CodeProviderAuth},
		"may not read":  {map[string]any{"bucket": "acme-no-getobject", "accessKeyId": "AKIANOGetObject"}, "accessKeyId", dcm.CodeProviderAuth},
	} {
		body := w.storageBody()
		for field, value := range c.fields {
			body[field] = value
		}
		a := user.call("POST", "/tenant/storage", body)
		if a.problem.Code != c.code || len(a.problem.Errors) != 1 || a.problem.Errors[0].Field != c.blamed {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if v := user.tenant(); v.StorageConfig.Type != "platform" {
		t.Errorf("%+v", v.StorageConfig)
	}
	w.keepsSecret([]string{ownSecret})
}
