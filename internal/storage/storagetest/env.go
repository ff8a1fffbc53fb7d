package storagetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// partBytes is the smallest part S3 takes that is not the last.
const partBytes = 5 << 20

// life is how long the checks' URLs work.
const life = 10 * time.Minute

// env is what one check works with.
type env struct {
	Subject
	storage dcm.Storage
	client  *http.Client
	bucket  dcm.Bucket
	key     string
}

func newEnv(t *testing.T, s Subject) *env {
	t.Helper()
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	return &env{
		Subject: s, client: client, storage: s.New(s.Now, client), bucket: s.Versioned,
		key: "acme/" + strings.ToLower(rand.Text()) + "/workspace.tar.gz.enc",
	}
}

// backup is content in parts.
type backup struct {
	id    dcm.BackupID
	parts [][]byte
}

// newBackup makes content of these sizes that no other backup has.
func newBackup(t *testing.T, sizes ...int) backup {
	t.Helper()
	id, err := dcm.NewBackupID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := backup{id: id}
	seed := sha256.Sum256([]byte(id))
	source := mathrand.NewChaCha8(seed)
	for _, size := range sizes {
		part := make([]byte, size)
		_, _ = source.Read(part)
		b.parts = append(b.parts, part)
	}
	return b
}

// threeParts is two full parts and a short last one.
func threeParts(t *testing.T) backup { return newBackup(t, partBytes, partBytes, 12_345) }

func (b backup) bytes() []byte { return bytes.Join(b.parts, nil) }

func (b backup) totals() dcm.UploadTotals {
	sums := sha256.New()
	totals := dcm.UploadTotals{Parts: len(b.parts)}
	for _, p := range b.parts {
		sum := sha256.Sum256(p)
		sums.Write(sum[:])
		totals.SizeBytes += int64(len(p))
	}
	totals.PartsSHA256 = hex.EncodeToString(sums.Sum(nil))
	return totals
}

func spec(number int, part []byte) dcm.PartSpec {
	sum := sha256.Sum256(part)
	return dcm.PartSpec{Number: number, SizeBytes: int64(len(part)), SHA256: hex.EncodeToString(sum[:])}
}

func (e *env) start(t *testing.T, b backup) dcm.UploadRef {
	t.Helper()
	u, err := e.storage.StartUpload(context.Background(), e.bucket, e.key, b.id)
	if err != nil {
		t.Fatalf("StartUpload: %v", err)
	}
	if u.UploadID == "" || u.Key != e.key || u.BackupID != b.id {
		t.Fatalf("StartUpload: got %+v", u)
	}
	t.Cleanup(func() { _ = e.storage.AbortUpload(context.Background(), e.bucket, u) })
	return u
}

// presign returns one part's URL.
func (e *env) presign(t *testing.T, s dcm.Storage, u dcm.UploadRef, number int, part []byte) dcm.PresignedPart {
	t.Helper()
	signed, err := s.PresignParts(context.Background(), e.bucket, u, []dcm.PartSpec{spec(number, part)}, life)
	if err != nil {
		t.Fatalf("PresignParts: %v", err)
	}
	if len(signed) != 1 || signed[0].Number != number {
		t.Fatalf("PresignParts: got %+v", signed)
	}
	return signed[0]
}

// upload sends part number, and fails the test unless it is accepted.
func (e *env) upload(t *testing.T, u dcm.UploadRef, number int, part []byte) {
	t.Helper()
	if status := e.send(t, e.presign(t, e.storage, u, number, part), part); status != http.StatusOK {
		t.Fatalf("PUT part %d: status %d", number, status)
	}
}

func (e *env) uploadAll(t *testing.T, u dcm.UploadRef, b backup) {
	t.Helper()
	for i, part := range b.parts {
		e.upload(t, u, i+1, part)
	}
}

// store makes b the newest backup of the key.
func (e *env) store(t *testing.T, b backup) (dcm.UploadRef, dcm.StoredObject) {
	t.Helper()
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	return u, e.complete(t, u, b)
}

func (e *env) complete(t *testing.T, u dcm.UploadRef, b backup) dcm.StoredObject {
	t.Helper()
	object, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, b.totals())
	if err != nil {
		t.Fatalf("CompleteUpload: %v", err)
	}
	if object.Key != e.key || object.SizeBytes != int64(len(b.bytes())) {
		t.Fatalf("CompleteUpload: got %+v", object)
	}
	return object
}

// send PUTs body as the agent would, and returns the status.
func (e *env) send(t *testing.T, p dcm.PresignedPart, body []byte) int {
	t.Helper()
	status, _ := e.do(t, http.MethodPut, p.URL, p.Headers, body)
	return status
}

// do sends a request that the storage knows nothing of.
func (e *env) do(t *testing.T, method, url string, headers map[string]string, body []byte) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	answer, err := e.client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: read the answer: %v", method, err)
	}
	return answer.StatusCode, content
}

// read GETs a version through a presigned URL.
func (e *env) read(t *testing.T, versionID string) []byte {
	t.Helper()
	url, err := e.storage.PresignRead(context.Background(), e.bucket, e.key, versionID, life)
	if err != nil {
		t.Fatalf("PresignRead: %v", err)
	}
	status, content := e.do(t, http.MethodGet, url.Reveal(), nil, nil)
	if status != http.StatusOK {
		t.Fatalf("GET version %q: status %d: %.300s", versionID, status, content)
	}
	return content
}

func refused(t *testing.T, what string, status int) {
	t.Helper()
	if status < 400 || status > 499 {
		t.Errorf("%s: status %d, want a refusal", what, status)
	}
}

func wantKind(t *testing.T, what string, err error, kind dcm.ProviderKind) {
	t.Helper()
	if got := dcm.KindOf(err); got != kind {
		t.Errorf("%s: kind %q, want %q (%v)", what, got, kind, err)
	}
}
