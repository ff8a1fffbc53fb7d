package storagetest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func copyChecks() []check {
	return []check{
		{"a version is read as a stream", opensVersion},
		{"what is not there is not opened", refusesToOpen},
		{"a backup is copied part by part", copiesBackup},
		{"a part that is not what it is said to be is not sent", refusesOtherPart},
		{"a part that is not what it is said to be is not taken", refusesForgedPart},
		{"a part of an upload that is gone is not taken", refusesLatePart},
	}
}

func (e *env) open(t *testing.T, b dcm.Bucket, version string) []byte {
	t.Helper()
	body, err := e.storage.Open(context.Background(), b, e.key, version)
	if err != nil {
		t.Fatalf("Open version %q: %v", version, err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read version %q: %v", version, err)
	}
	return content
}

func opensVersion(t *testing.T, e *env) {
	old, newer := newBackup(t, partBytes, 1000), newBackup(t, 2000)
	_, first := e.store(t, old)
	_, second := e.store(t, newer)
	if !bytes.Equal(e.open(t, e.bucket, first.VersionID), old.bytes()) || !bytes.Equal(e.open(t, e.bucket, second.VersionID), newer.bytes()) {
		t.Error("a version reads back as something else")
	}
}

func refusesToOpen(t *testing.T, e *env) {
	ctx := context.Background()
	_, err := e.storage.Open(ctx, e.bucket, e.key, "")
	wantKind(t, "a key that does not exist", err, dcm.KindNotFound)
	_, object := e.store(t, newBackup(t, 10))
	if err := e.storage.DeleteVersion(ctx, e.bucket, e.key, object.VersionID); err != nil {
		t.Fatal(err)
	}
	_, err = e.storage.Open(ctx, e.bucket, e.key, object.VersionID)
	wantKind(t, "a version that was deleted", err, dcm.KindNotFound)
	missing := e.bucket
	missing.Name = "dcm-no-such-bucket"
	_, err = e.storage.Open(ctx, missing, e.key, object.VersionID)
	wantKind(t, "a bucket that does not exist", err, dcm.KindInvalid)
}

// copiesBackup moves a backup to another bucket, as a tenant's does that
// brings its own.
func copiesBackup(t *testing.T, e *env) {
	ctx := context.Background()
	source, b := e.bucket, threeParts(t)
	_, object := e.store(t, b)
	body, err := e.storage.Open(ctx, source, e.key, object.VersionID)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	e.bucket = e.Unversioned
	u := e.start(t, b)
	for i, part := range b.parts {
		read := make([]byte, len(part))
		if _, err := io.ReadFull(body, read); err != nil {
			t.Fatal(err)
		}
		if err := e.storage.UploadPart(ctx, e.bucket, u, spec(i+1, read), read); err != nil {
			t.Fatalf("UploadPart %d: %v", i+1, err)
		}
	}
	e.complete(t, u, b)
	if !bytes.Equal(e.open(t, e.bucket, ""), b.bytes()) {
		t.Error("the copy is something else")
	}
}

func refusesOtherPart(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u, good := e.start(t, b), spec(1, b.parts[0])
	for name, spoil := range map[string]func(*dcm.PartSpec){
		"another length": func(p *dcm.PartSpec) { p.SizeBytes++ },
		"number 0":       func(p *dcm.PartSpec) { p.Number = 0 },
		"no digest":      func(p *dcm.PartSpec) { p.SHA256 = "" },
	} {
		p := good
		spoil(&p)
		wantKind(t, name, e.storage.UploadPart(context.Background(), e.bucket, u, p, b.parts[0]), dcm.KindInvalid)
	}
}

func refusesForgedPart(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u, p := e.start(t, b), spec(1, b.parts[0])
	forged := bytes.Clone(b.parts[0])
	forged[7] ^= 1
	wantKind(t, "another content", e.storage.UploadPart(context.Background(), e.bucket, u, p, forged), dcm.KindInvalid)
}

func refusesLatePart(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	if err := e.storage.AbortUpload(context.Background(), e.bucket, u); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "an aborted upload", e.storage.UploadPart(context.Background(), e.bucket, u, spec(1, b.parts[0]), b.parts[0]), dcm.KindNotFound)
}
