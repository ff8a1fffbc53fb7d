package storagetest

import (
	"bytes"
	"context"
	"net/http"
	"testing"
)

func readChecks() []check {
	return []check{
		{"an old version is read after a new one", readsOldVersion},
		{"a range is read", readsRange},
		{"a version that does not exist is refused", refusesUnknownVersion},
	}
}

func readsOldVersion(t *testing.T, e *env) {
	old, newer := newBackup(t, 1000), newBackup(t, 2000)
	_, first := e.store(t, old)
	_, second := e.store(t, newer)
	if !bytes.Equal(e.read(t, first.VersionID), old.bytes()) {
		t.Error("the old version reads back as something else")
	}
	if !bytes.Equal(e.read(t, second.VersionID), newer.bytes()) {
		t.Error("the new version reads back as something else")
	}
}

// readsRange asks across a part's border, as a resumed restore would.
func readsRange(t *testing.T, e *env) {
	b := newBackup(t, partBytes, 1000)
	_, object := e.store(t, b)
	url, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, object.VersionID, life)
	if err != nil {
		t.Fatal(err)
	}
	status, content := e.do(t, http.MethodGet, url.Reveal(), map[string]string{"Range": "bytes=5242870-5242889"}, nil)
	if status != http.StatusPartialContent || !bytes.Equal(content, b.bytes()[5242870:5242890]) {
		t.Errorf("status %d, %d bytes", status, len(content))
	}
}

func refusesUnknownVersion(t *testing.T, e *env) {
	_, object := e.store(t, newBackup(t, 10))
	last := object.VersionID[len(object.VersionID)-1]
	other := byte('A')
	if last == other {
		other = 'B'
	}
	url, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, object.VersionID[:len(object.VersionID)-1]+string(other), life)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := e.do(t, http.MethodGet, url.Reveal(), nil, nil)
	refused(t, "an unknown version", status)
}
