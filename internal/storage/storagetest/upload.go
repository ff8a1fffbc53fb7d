package storagetest

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func uploadChecks() []check {
	return []check{
		{"three parts are stored and read back", storesThreeParts},
		{"one small part is enough", storesOneSmallPart},
		{"a part with another body is refused", refusesOtherBody},
		{"a part of another length is refused", refusesOtherLength},
		{"a part without its checksum is refused", refusesMissingChecksum},
		{"a header that was not signed is refused", refusesUnsignedHeader},
		{"a part sent again replaces the first", replacesPart},
		{"the highest part number is accepted", acceptsHighestNumber},
		{"an aborted upload is gone", abortsUpload},
		{"an aborted upload takes no more parts", refusesPartsAfterAbort},
		{"a small object is put", putsObject},
	}
}

func storesThreeParts(t *testing.T, e *env) {
	b := threeParts(t)
	_, object := e.store(t, b)
	if object.VersionID == "" {
		t.Error("the object has no version, in a bucket with versions")
	}
	if !bytes.Equal(e.read(t, object.VersionID), b.bytes()) {
		t.Error("the version reads back as something else")
	}
	if !bytes.Equal(e.read(t, ""), b.bytes()) {
		t.Error("the newest version reads back as something else")
	}
}

func storesOneSmallPart(t *testing.T, e *env) {
	b := newBackup(t, 1)
	_, object := e.store(t, b)
	if !bytes.Equal(e.read(t, object.VersionID), b.bytes()) {
		t.Error("the version reads back as something else")
	}
}

func refusesOtherBody(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	other := bytes.Clone(b.parts[0])
	other[500] ^= 1
	refused(t, "a flipped bit", e.send(t, e.presign(t, e.storage, u, 1, b.parts[0]), other))
	e.uploadAll(t, u, b)
	e.complete(t, u, b)
}

func refusesOtherLength(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	signed := e.presign(t, e.storage, u, 1, b.parts[0])
	refused(t, "a byte less", e.send(t, signed, b.parts[0][:999]))
	refused(t, "a byte more", e.send(t, signed, append(bytes.Clone(b.parts[0]), 0)))
}

func refusesMissingChecksum(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	signed := e.presign(t, e.storage, u, 1, b.parts[0])
	if len(signed.Headers) == 0 {
		t.Fatal("no header is signed, so no checksum is")
	}
	status, _ := e.do(t, http.MethodPut, signed.URL, nil, b.parts[0])
	refused(t, "no checksum", status)
}

func refusesUnsignedHeader(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	signed := e.presign(t, e.storage, u, 1, b.parts[0])
	signed.Headers["x-amz-storage-class"] = "GLACIER"
	refused(t, "a foreign x-amz header", e.send(t, signed, b.parts[0]))
}

func replacesPart(t *testing.T, e *env) {
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.upload(t, u, 1, newBackup(t, partBytes).parts[0])
	e.uploadAll(t, u, b)
	object := e.complete(t, u, b)
	if !bytes.Equal(e.read(t, object.VersionID), b.bytes()) {
		t.Error("the first try of the part was kept")
	}
}

func acceptsHighestNumber(t *testing.T, e *env) {
	b := newBackup(t, 100)
	u := e.start(t, b)
	e.upload(t, u, dcm.MaxBackupParts, b.parts[0])
	totals := b.totals()
	_, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, totals)
	wantKind(t, "completing without part 1", err, dcm.KindInvalid)
	_, err = e.storage.PresignParts(context.Background(), e.bucket, u, []dcm.PartSpec{spec(dcm.MaxBackupParts+1, b.parts[0])}, life)
	wantKind(t, "one part number too high", err, dcm.KindInvalid)
}

func abortsUpload(t *testing.T, e *env) {
	ctx := context.Background()
	b := newBackup(t, 1000)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	for range 2 {
		if err := e.storage.AbortUpload(ctx, e.bucket, u); err != nil {
			t.Fatalf("AbortUpload: %v", err)
		}
	}
	_, err := e.storage.CompleteUpload(ctx, e.bucket, u, b.totals())
	wantKind(t, "completing an aborted upload", err, dcm.KindNotFound)
	if object, err := e.storage.FindUploaded(ctx, e.bucket, u); object != nil || err != nil {
		t.Errorf("FindUploaded: got %+v, %v", object, err)
	}
}

func refusesPartsAfterAbort(t *testing.T, e *env) {
	b := newBackup(t, 1000)
	u := e.start(t, b)
	signed := e.presign(t, e.storage, u, 1, b.parts[0])
	if err := e.storage.AbortUpload(context.Background(), e.bucket, u); err != nil {
		t.Fatalf("AbortUpload: %v", err)
	}
	refused(t, "a part of an aborted upload", e.send(t, signed, b.parts[0]))
}

func putsObject(t *testing.T, e *env) {
	want := []byte(`{"format":1}`)
	if err := e.storage.Put(context.Background(), e.bucket, e.key, "application/json", want); err != nil {
		t.Fatalf("Put: %v", err)
	}
	if got := e.read(t, ""); !bytes.Equal(got, want) {
		t.Errorf("read back %q", got)
	}
}
