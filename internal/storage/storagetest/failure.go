package storagetest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func failureChecks() []check {
	return []check{
		{"wrong credentials are an auth error", tellsWrongCredentials},
		{"a bucket that does not exist is said so", tellsMissingBucket},
		{"a storage that does not answer is unavailable", tellsUnreachable},
		{"a part that can't be signed is refused", refusesBadSpecs},
	}
}

func tellsWrongCredentials(t *testing.T, e *env) {
	b := e.bucket
	b.AccessKeyID, b.SecretAccessKey = "AKIANOBODY", dcm.NewSecret("wrong")
	_, err := e.storage.StartUpload(context.Background(), b, e.key, "bk-aaaaaaaaaa")
	wantKind(t, "an unknown key", err, dcm.KindAuth)
}

func tellsMissingBucket(t *testing.T, e *env) {
	ctx := context.Background()
	b := e.bucket
	b.Name = "dcm-no-such-bucket"
	_, err := e.storage.StartUpload(ctx, b, e.key, "bk-aaaaaaaaaa")
	wantKind(t, "starting", err, dcm.KindInvalid)
	_, err = e.storage.CompleteUpload(ctx, b, dcm.UploadRef{Key: e.key, UploadID: "u", BackupID: "bk-aaaaaaaaaa"}, dcm.UploadTotals{Parts: 1})
	wantKind(t, "completing", err, dcm.KindInvalid)
}

func tellsUnreachable(t *testing.T, e *env) {
	broken := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("dial tcp 10.1.2.3:443: no route to host")
	})}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // no waiting between tries
	err := e.New(e.Now, broken).Put(ctx, e.bucket, e.key, "text/plain", nil)
	wantKind(t, "no route", err, dcm.KindUnavailable)
	if problem, ok := errors.AsType[*dcm.ProviderError](err); !ok || strings.Contains(problem.Message, "10.1.2.3") {
		t.Errorf("a tenant would read %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func refusesBadSpecs(t *testing.T, e *env) {
	good := spec(1, []byte("x"))
	for name, spoil := range map[string]func(*dcm.PartSpec){
		"number 0":    func(p *dcm.PartSpec) { p.Number = 0 },
		"no content":  func(p *dcm.PartSpec) { p.SizeBytes = 0 },
		"no digest":   func(p *dcm.PartSpec) { p.SHA256 = "" },
		"not hex":     func(p *dcm.PartSpec) { p.SHA256 = strings.Repeat("z", 64) },
		"a short sum": func(p *dcm.PartSpec) { p.SHA256 = "00" },
	} {
		p := good
		spoil(&p)
		u := dcm.UploadRef{Key: e.key, UploadID: "u"}
		_, err := e.storage.PresignParts(context.Background(), e.bucket, u, []dcm.PartSpec{good, p}, life)
		wantKind(t, name, err, dcm.KindInvalid)
	}
}
