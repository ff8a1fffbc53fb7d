package storagetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func completeChecks() []check {
	return []check{
		{"a missing part is noticed, and can still be sent", noticesMissingPart},
		{"a gap between parts is noticed", noticesGap},
		{"wrong totals complete nothing", refusesWrongTotals},
		{"a wrong digest is refused", refusesWrongDigest},
		{"a wrong digest completes nothing", wrongDigestCompletesNothing},
		{"completing twice answers the same object", completesTwice},
		{"completing after a lost answer answers the same object", completesAfterLostAnswer},
		{"a completed upload is found by its backup id", findsUploaded},
		{"more parts than a page are all counted", countsEveryPage},
		{"uploads of one key do not mix", keepsUploadsApart},
		{"a bucket without versions works", worksUnversioned},
	}
}

func noticesMissingPart(t *testing.T, e *env) {
	b := threeParts(t)
	u := e.start(t, b)
	e.upload(t, u, 1, b.parts[0])
	e.upload(t, u, 2, b.parts[1])
	_, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, b.totals())
	wantKind(t, "two of three parts", err, dcm.KindInvalid)
	e.upload(t, u, 3, b.parts[2])
	e.complete(t, u, b)
}

func noticesGap(t *testing.T, e *env) {
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.upload(t, u, 1, b.parts[0])
	e.upload(t, u, 3, b.parts[1])
	_, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, b.totals())
	wantKind(t, "parts 1 and 3", err, dcm.KindInvalid)
}

func refusesWrongTotals(t *testing.T, e *env) {
	ctx := context.Background()
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	for name, spoil := range map[string]func(*dcm.UploadTotals){
		"a part less": func(u *dcm.UploadTotals) { u.Parts-- },
		"a part more": func(u *dcm.UploadTotals) { u.Parts++ },
		"a byte more": func(u *dcm.UploadTotals) { u.SizeBytes++ },
	} {
		totals := b.totals()
		spoil(&totals)
		_, err := e.storage.CompleteUpload(ctx, e.bucket, u, totals)
		wantKind(t, name, err, dcm.KindInvalid)
	}
	if object, err := e.storage.FindUploaded(ctx, e.bucket, u); object != nil || err != nil {
		t.Errorf("after refusals FindUploaded: got %+v, %v", object, err)
	}
	e.complete(t, u, b)
}

func refusesWrongDigest(t *testing.T, e *env) {
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	totals := b.totals()
	totals.PartsSHA256 = strings.Repeat("0", 64)
	for _, try := range []string{"first", "second"} {
		_, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, totals)
		wantKind(t, try+" try", err, dcm.KindInvalid)
	}
}

func wrongDigestCompletesNothing(t *testing.T, e *env) {
	ctx := context.Background()
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	totals := b.totals()
	totals.PartsSHA256 = ""
	_, err := e.storage.CompleteUpload(ctx, e.bucket, u, totals)
	wantKind(t, "no digest", err, dcm.KindInvalid)
	if object, err := e.storage.FindUploaded(ctx, e.bucket, u); object != nil || err != nil {
		t.Errorf("FindUploaded: got %+v, %v", object, err)
	}
	e.complete(t, u, b)
}

func completesTwice(t *testing.T, e *env) {
	b := threeParts(t)
	u, first := e.store(t, b)
	if second := e.complete(t, u, b); second != first {
		t.Errorf("got %+v, then %+v", first, second)
	}
	totals := b.totals()
	totals.SizeBytes++
	_, err := e.storage.CompleteUpload(context.Background(), e.bucket, u, totals)
	wantKind(t, "completing again with another size", err, dcm.KindInvalid)
}

// completesAfterLostAnswer loses the first answer to the completion itself:
// the storage has the object, and nobody heard.
func completesAfterLostAnswer(t *testing.T, e *env) {
	b := newBackup(t, partBytes, 100)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	loser := &answerLoser{next: http.DefaultTransport}
	storage := e.New(e.Now, &http.Client{Transport: loser})
	object, err := storage.CompleteUpload(context.Background(), e.bucket, u, b.totals())
	if err != nil {
		t.Fatalf("CompleteUpload: %v", err)
	}
	if loser.lost.Load() == 0 {
		t.Fatal("no answer was lost")
	}
	if again := e.complete(t, u, b); again != object {
		t.Errorf("got %+v, then %+v", object, again)
	}
}

// answerLoser loses the first answer to a completion.
type answerLoser struct {
	next http.RoundTripper
	lost atomic.Int32
}

// RoundTrip sends the request, and keeps the first completion's answer.
func (l *answerLoser) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") || !l.lost.CompareAndSwap(0, 1) {
		return answer, err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return nil, errors.New("the connection was reset")
}

func findsUploaded(t *testing.T, e *env) {
	ctx := context.Background()
	b := newBackup(t, 1000)
	u := e.start(t, b)
	e.uploadAll(t, u, b)
	if object, err := e.storage.FindUploaded(ctx, e.bucket, u); object != nil || err != nil {
		t.Fatalf("before it was completed: got %+v, %v", object, err)
	}
	want := e.complete(t, u, b)
	newer := newBackup(t, 500)
	_, latest := e.store(t, newer)
	if latest.VersionID == want.VersionID {
		t.Fatal("two backups have one version")
	}
	object, err := e.storage.FindUploaded(ctx, e.bucket, u)
	if err != nil || object == nil || *object != want {
		t.Errorf("under a newer backup: got %+v, %v, want %+v", object, err, want)
	}
}

// countsEveryPage sends more parts than ListParts answers at once. They are
// tiny, so a storage with a least part size refuses to join them: the count
// shows in what is refused before that.
func countsEveryPage(t *testing.T, e *env) {
	const parts = 1003
	b := newBackup(t, make([]int, parts)...)
	specs := make([]dcm.PartSpec, parts)
	for i := range b.parts {
		b.parts[i] = []byte{byte(i), byte(i >> 8)}
		specs[i] = spec(i+1, b.parts[i])
	}
	u := e.start(t, b)
	signed, err := e.storage.PresignParts(context.Background(), e.bucket, u, specs, life)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range signed {
		if status := e.send(t, p, b.parts[i]); status != http.StatusOK {
			t.Fatalf("PUT part %d: status %d", p.Number, status)
		}
	}
	totals := b.totals()
	totals.SizeBytes++
	_, err = e.storage.CompleteUpload(context.Background(), e.bucket, u, totals)
	wantKind(t, "a byte too many", err, dcm.KindInvalid)
	if problem, ok := errors.AsType[*dcm.ProviderError](err); !ok || !strings.Contains(problem.Message, "2006 bytes") {
		t.Errorf("the refusal counts something else: %v", err)
	}
}

func keepsUploadsApart(t *testing.T, e *env) {
	one, two := newBackup(t, 1000), newBackup(t, 2000)
	first, second := e.start(t, one), e.start(t, two)
	if first.UploadID == second.UploadID {
		t.Fatal("two uploads have one id")
	}
	e.uploadAll(t, second, two)
	e.uploadAll(t, first, one)
	a, b := e.complete(t, first, one), e.complete(t, second, two)
	if got := len(e.read(t, a.VersionID)); got != 1000 {
		t.Errorf("the first upload's version has %d bytes", got)
	}
	if got := len(e.read(t, b.VersionID)); got != 2000 {
		t.Errorf("the second upload's version has %d bytes", got)
	}
	crossed := dcm.UploadRef{Key: e.key + ".other", UploadID: first.UploadID, BackupID: one.id}
	_, err := e.storage.CompleteUpload(context.Background(), e.bucket, crossed, one.totals())
	wantKind(t, "an upload under another key", err, dcm.KindNotFound)
}

func worksUnversioned(t *testing.T, e *env) {
	e.bucket = e.Unversioned
	b := newBackup(t, partBytes, 100)
	u, object := e.store(t, b)
	if object.VersionID != "" {
		t.Errorf("the object has version %q", object.VersionID)
	}
	if again := e.complete(t, u, b); again != object {
		t.Errorf("got %+v, then %+v", object, again)
	}
	if got := e.read(t, object.VersionID); len(got) != len(b.bytes()) {
		t.Errorf("read back %d bytes", len(got))
	}
}
