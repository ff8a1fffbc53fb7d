package storagetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func probeChecks() []check {
	return []check{
		{"a bucket that can be used is found so, and left as it was", checksBucket},
		{"what a credential may not do is found out", findsWhatIsDenied},
		{"a check without credentials or bucket says which", saysWhatIsMissing},
		{"a check that is given up leaves nothing behind", cleansUpAfterGivingUp},
	}
}

func checksBucket(t *testing.T, e *env) {
	for _, bucket := range []dcm.Bucket{e.Versioned, e.Unversioned} {
		e.bucket = bucket
		e.put(t, e.key, "x")
		if err := e.storage.Check(context.Background(), bucket, e.place()); err != nil {
			t.Errorf("%s: %v", bucket.Name, err)
		}
		e.wantListed(t, e.place(), 1)
	}
}

// denier answers as a storage does whose policy denies something.
type denier struct{ denies func(*http.Request) bool }

// RoundTrip sends what is not denied.
func (d denier) RoundTrip(r *http.Request) (*http.Response, error) {
	if !d.denies(r) {
		return http.DefaultTransport.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`
	return &http.Response{
		StatusCode: http.StatusForbidden, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"application/xml"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func findsWhatIsDenied(t *testing.T, e *env) {
	asks := func(method, parameter string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			// The SDK names the operation in x-id, unless a parameter does.
			q := r.URL.Query()
			return r.Method == method && (q.Has(parameter) || q.Get("x-id") == parameter)
		}
	}
	for name, c := range map[string]struct {
		denies func(*http.Request) bool
		leaves bool
	}{
		"putting":          {asks(http.MethodPut, "PutObject"), false},
		"getting":          {asks(http.MethodGet, "GetObject"), false},
		"starting uploads": {func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") }, false},
		"uploading parts":  {asks(http.MethodPut, "partNumber"), false},
		"listing parts":    {asks(http.MethodGet, "uploadId"), false},
		"completing":       {asks(http.MethodPost, "uploadId"), false},
		"aborting":         {asks(http.MethodDelete, "uploadId"), true},
		"listing uploads":  {asks(http.MethodGet, "uploads"), true},
		"listing versions": {asks(http.MethodGet, "versions"), true},
		"deleting":         {asks(http.MethodPost, "delete"), true},
	} {
		t.Run(name, func(t *testing.T) {
			place := e.place() + strings.ReplaceAll(name, " ", "-") + "/"
			denied := e.New(e.Now, &http.Client{Transport: denier{c.denies}})
			err := denied.Check(context.Background(), e.bucket, place)
			wantKind(t, name, err, dcm.KindAuth)
			if problem, ok := errors.AsType[*dcm.ProviderError](err); !ok || problem.Op != "check storage" || problem.Message == "" {
				t.Errorf("got %v", err)
			}
			if !c.leaves {
				e.wantListed(t, place, 0)
			}
			e.deleteAll(t, place)
		})
	}
}

func saysWhatIsMissing(t *testing.T, e *env) {
	missing := e.bucket
	missing.Name = "dcm-no-such-bucket"
	wantKind(t, "no bucket", e.storage.Check(context.Background(), missing, e.place()), dcm.KindNotFound)
	half := e.bucket
	half.AccessKeyID = "AKIAHALF"
	wantKind(t, "half a credential", e.storage.Check(context.Background(), half, e.place()), dcm.KindAuth)
}

// cleansUpAfterGivingUp ends the context in the middle: when the part has been
// sent, and nothing has come of it yet.
func cleansUpAfterGivingUp(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	quitter := e.New(e.Now, &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := http.DefaultTransport.RoundTrip(r)
		if r.URL.Query().Has("partNumber") {
			cancel()
		}
		return answer, err
	})})
	wantKind(t, "given up", quitter.Check(ctx, e.bucket, e.place()), dcm.KindUnavailable)
	if ctx.Err() == nil {
		t.Error("no part was sent")
	}
	e.wantListed(t, e.place(), 0)
}
