package storagetest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func urlChecks() []check {
	return []check{
		{"an expired upload URL is refused", refusesExpiredUpload},
		{"an expired read URL is refused", refusesExpiredRead},
		{"a tampered upload URL is refused", refusesTamperedUpload},
		{"a tampered read URL is refused", refusesTamperedRead},
		{"a URL for another key is refused", refusesOtherKey},
		{"a read URL does not write", refusesOtherMethod},
		{"a URL that would live too long is not made", refusesLongLife},
	}
}

// past is a storage whose URLs have expired by the time they are used.
func (e *env) past() dcm.Storage {
	return e.New(offsetClock{e.Now, -life - time.Minute}, e.client)
}

func refusesExpiredUpload(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	refused(t, "an expired URL", e.send(t, e.presign(t, e.past(), u, 1, b.parts[0]), b.parts[0]))
	e.uploadAll(t, u, b)
}

func refusesExpiredRead(t *testing.T, e *env) {
	_, object := e.store(t, newBackup(t, 1000))
	signed, err := e.past().PresignRead(context.Background(), e.bucket, e.key, object.VersionID, life)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := e.do(t, http.MethodGet, signed.Reveal(), nil, nil)
	refused(t, "an expired URL", status)
}

// tamper changes a URL's query.
func tamper(t *testing.T, signed string, change func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	change(query)
	u.RawQuery = query.Encode()
	return u.String()
}

func refusesTamperedUpload(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u, other := e.start(t, b), e.start(t, newBackup(t, 1))
	signed := e.presign(t, e.storage, u, 1, b.parts[0])
	for name, change := range map[string]func(url.Values){
		"another part":       func(q url.Values) { q.Set("partNumber", "2") },
		"another upload":     func(q url.Values) { q.Set("uploadId", other.UploadID) },
		"a longer life":      func(q url.Values) { q.Set("X-Amz-Expires", "604800") },
		"fewer headers":      func(q url.Values) { q.Set("X-Amz-SignedHeaders", "host") },
		"another signature":  func(q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) },
		"no signature":       func(q url.Values) { q.Del("X-Amz-Signature") },
		"no query but parts": func(q url.Values) { clear(q); q.Set("partNumber", "1"); q.Set("uploadId", u.UploadID) },
	} {
		p := signed
		p.URL = tamper(t, signed.URL, change)
		refused(t, name, e.send(t, p, b.parts[0]))
	}
}

func refusesTamperedRead(t *testing.T, e *env) {
	_, first := e.store(t, newBackup(t, 1000))
	_, second := e.store(t, newBackup(t, 1000))
	signed, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, first.VersionID, life)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(url.Values){
		"another version": func(q url.Values) { q.Set("versionId", second.VersionID) },
		"no version":      func(q url.Values) { q.Del("versionId") },
		"a longer life":   func(q url.Values) { q.Set("X-Amz-Expires", "604800") },
	} {
		status, _ := e.do(t, http.MethodGet, tamper(t, signed.Reveal(), change), nil, nil)
		refused(t, name, status)
	}
}

// refusesOtherKey tries another workspace's key with one's own URL.
func refusesOtherKey(t *testing.T, e *env) {
	mine := e.key
	e.key = strings.Replace(e.key, "acme/", "other/", 1)
	e.store(t, newBackup(t, 1000))
	e.key = mine
	_, object := e.store(t, newBackup(t, 1000))
	signed, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, object.VersionID, life)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := e.do(t, http.MethodGet, strings.Replace(signed.Reveal(), "/acme/", "/other/", 1), nil, nil)
	refused(t, "reading another key", status)

	b := newBackup(t, 1000)
	part := e.presign(t, e.storage, e.start(t, b), 1, b.parts[0])
	part.URL = strings.Replace(part.URL, "/acme/", "/other/", 1)
	refused(t, "writing another key", e.send(t, part, b.parts[0]))
}

func refusesOtherMethod(t *testing.T, e *env) {
	_, object := e.store(t, newBackup(t, 1000))
	signed, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, object.VersionID, life)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		status, _ := e.do(t, method, signed.Reveal(), nil, []byte("x"))
		refused(t, method, status)
	}
	if got := e.read(t, object.VersionID); len(got) != 1000 {
		t.Errorf("the object has %d bytes now", len(got))
	}
}

func refusesLongLife(t *testing.T, e *env) {
	_, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, "", 8*24*time.Hour)
	wantKind(t, "eight days", err, dcm.KindInvalid)
	_, err = e.storage.PresignParts(context.Background(), e.bucket, dcm.UploadRef{Key: e.key, UploadID: "u"}, nil, 0)
	wantKind(t, "no time at all", err, dcm.KindInvalid)
}
