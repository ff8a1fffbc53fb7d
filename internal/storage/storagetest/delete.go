package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func deleteChecks() []check {
	return []check{
		{"everything under a prefix goes, and nothing beside it", deletesAll},
		{"everything under a prefix goes in a bucket without versions", deletesAllUnversioned},
		{"more versions than a page all go", deletesEveryPage},
		{"a prefix that other names share is refused", refusesOpenPrefix},
		{"exactly one version goes", deletesOneVersion},
		{"the object of a bucket without versions goes", deletesUnversioned},
		{"unfinished uploads of exactly one key are aborted", abortsUploadsOfKey},
		{"unfinished uploads are listed with their age", listsUploads},
		{"more unfinished uploads than a page are all listed", listsEveryUpload},
	}
}

// place is the folder of e's key.
func (e *env) place() string { return e.key[:strings.LastIndexByte(e.key, '/')+1] }

func (e *env) put(t *testing.T, key, text string) {
	t.Helper()
	if err := e.storage.Put(context.Background(), e.bucket, key, "text/plain", []byte(text)); err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
}

func (e *env) wantListed(t *testing.T, prefix string, want int) {
	t.Helper()
	if listed := e.List(t, e.bucket, prefix); len(listed) != want {
		t.Errorf("under %s there are %d, want %d: %.500v", prefix, len(listed), want, listed)
	}
}

func (e *env) deleteAll(t *testing.T, prefix string) {
	t.Helper()
	if err := e.storage.DeleteAll(context.Background(), e.bucket, prefix); err != nil {
		t.Fatalf("DeleteAll %s: %v", prefix, err)
	}
}

func deletesAll(t *testing.T, e *env) {
	place := e.place()
	beside := strings.TrimSuffix(place, "/") + "0/workspace.tar.gz.enc"
	e.put(t, beside, "another workspace's")
	e.store(t, newBackup(t, 1000))
	e.store(t, newBackup(t, 2000))
	e.put(t, place+"metadata.json", "{}")
	e.put(t, place+"deep/er", "x")
	e.Hide(t, e.bucket, place+"metadata.json")
	half := newBackup(t, 1000)
	e.uploadAll(t, e.start(t, half), half)
	e.start(t, newBackup(t, 1))
	e.wantListed(t, place, 7)
	e.deleteAll(t, place)
	e.wantListed(t, place, 0)
	e.wantListed(t, beside, 1)
	e.deleteAll(t, place)
}

func deletesAllUnversioned(t *testing.T, e *env) {
	e.bucket = e.Unversioned
	place := e.place()
	e.store(t, newBackup(t, 1000))
	e.put(t, place+"metadata.json", "{}")
	e.start(t, newBackup(t, 1))
	e.wantListed(t, place, 3)
	e.deleteAll(t, place)
	e.wantListed(t, place, 0)
}

func deletesEveryPage(t *testing.T, e *env) {
	const versions, keys = 700, 305
	place := e.place()
	for i := range versions {
		e.put(t, place+"metadata.json", fmt.Sprint(i))
	}
	for i := range keys {
		e.put(t, fmt.Sprintf("%skey-%03d", place, i), "x")
	}
	e.wantListed(t, place, versions+keys)
	e.deleteAll(t, place)
	e.wantListed(t, place, 0)
}

func refusesOpenPrefix(t *testing.T, e *env) {
	e.put(t, e.key, "x")
	for _, prefix := range []string{"", "/", "acme", strings.TrimSuffix(e.place(), "/"), e.key} {
		wantKind(t, "prefix "+prefix, e.storage.DeleteAll(context.Background(), e.bucket, prefix), dcm.KindInvalid)
	}
	e.wantListed(t, e.place(), 1)
}

func deletesOneVersion(t *testing.T, e *env) {
	ctx := context.Background()
	_, first := e.store(t, newBackup(t, 1000))
	_, second := e.store(t, newBackup(t, 2000))
	_, third := e.store(t, newBackup(t, 3000))
	for range 2 {
		if err := e.storage.DeleteVersion(ctx, e.bucket, e.key, second.VersionID); err != nil {
			t.Fatalf("DeleteVersion: %v", err)
		}
	}
	e.wantListed(t, e.key, 2)
	if len(e.read(t, first.VersionID)) != 1000 || len(e.read(t, third.VersionID)) != 3000 {
		t.Error("the other versions are not what they were")
	}
	// Without a version nothing is hidden or deleted that has one.
	if err := e.storage.DeleteVersion(ctx, e.bucket, e.key, ""); err != nil {
		t.Fatalf("DeleteVersion without a version: %v", err)
	}
	e.wantListed(t, e.key, 2)
	if len(e.read(t, "")) != 3000 {
		t.Error("the newest version is no longer the newest")
	}
}

func deletesUnversioned(t *testing.T, e *env) {
	e.bucket = e.Unversioned
	_, object := e.store(t, newBackup(t, 1000))
	e.put(t, e.key+".other", "x")
	for range 2 {
		if err := e.storage.DeleteVersion(context.Background(), e.bucket, e.key, object.VersionID); err != nil {
			t.Fatalf("DeleteVersion: %v", err)
		}
	}
	if listed := e.List(t, e.bucket, e.key); len(listed) != 1 || !strings.Contains(listed[0], ".other") {
		t.Errorf("left are %v", listed)
	}
}

func abortsUploadsOfKey(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	e.store(t, b)
	other := *e
	other.key = e.key + ".other"
	kept := other.start(t, b)
	var aborted []dcm.UploadRef
	for range 3 {
		u := e.start(t, b)
		e.uploadAll(t, u, b)
		aborted = append(aborted, u)
	}
	for range 2 {
		if err := e.storage.AbortUploads(context.Background(), e.bucket, e.key); err != nil {
			t.Fatalf("AbortUploads: %v", err)
		}
	}
	e.wantListed(t, e.key, 2)
	listed := e.List(t, e.bucket, e.key)
	for _, u := range aborted {
		if slices.ContainsFunc(listed, func(l string) bool { return strings.Contains(l, u.UploadID) }) {
			t.Errorf("%s is still there", u.UploadID)
		}
	}
	other.uploadAll(t, kept, b)
	other.complete(t, kept, b)
}

func (e *env) uploads(t *testing.T, prefix string) []dcm.StoredUpload {
	t.Helper()
	listed, err := e.storage.ListUploads(context.Background(), e.bucket, prefix)
	if err != nil {
		t.Fatalf("ListUploads %s: %v", prefix, err)
	}
	return listed
}

func listsUploads(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	if listed := e.uploads(t, e.key); listed == nil || len(listed) != 0 {
		t.Fatalf("listed %+v before there was any", listed)
	}
	e.store(t, b)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	beside := *e
	beside.key = e.key + ".other"
	other := beside.start(t, b)
	for prefix, want := range map[string][]dcm.UploadRef{e.key: {u, other}, beside.key: {other}, e.place() + "no": nil} {
		listed := e.uploads(t, prefix)
		if len(listed) != len(want) {
			t.Errorf("under %s: %+v, want %+v", prefix, listed, want)
		}
		for _, w := range want {
			at := slices.IndexFunc(listed, func(l dcm.StoredUpload) bool { return l.UploadID == w.UploadID })
			if at < 0 || listed[at].Key != w.Key || e.Now.Now().Sub(listed[at].StartedAt).Abs() > time.Hour {
				t.Errorf("%+v is not among %+v", w, listed)
			}
		}
	}
	all := e.uploads(t, "")
	if !slices.ContainsFunc(all, func(l dcm.StoredUpload) bool { return l.UploadID == u.UploadID }) {
		t.Errorf("%s is not among all that there are", u.UploadID)
	}
	if err := e.storage.AbortUpload(context.Background(), e.bucket, u); err != nil {
		t.Fatal(err)
	}
	if listed := e.uploads(t, e.key); len(listed) != 1 || listed[0].UploadID != other.UploadID {
		t.Errorf("after an abort: %+v", listed)
	}
}

func listsEveryUpload(t *testing.T, e *env) {
	const n = 1003
	for i := range n {
		one := *e
		one.key = fmt.Sprintf("%s.%04d", e.key, i%501)
		if _, err := e.storage.StartUpload(context.Background(), e.bucket, one.key, "bk-aaaaaaaaaa"); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]bool{}
	for _, l := range e.uploads(t, e.key) {
		ids[l.UploadID] = true
	}
	if len(ids) != n {
		t.Errorf("listed %d of %d", len(ids), n)
	}
	e.deleteAll(t, e.place())
}
