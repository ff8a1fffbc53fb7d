package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
)

// signedPut makes a signed PUT of "text", as a client's library would.
func signedPut(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPut, url+"/"+bucket+"/k", strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("text"))
	payload := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", payload)
	r.Header.Set("X-Amz-Meta-Note", "  two   spaces ")
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: "AKIALOCAL", SecretAccessKey: "secret"}
	if err := signer.SignHTTP(context.Background(), credentials, r, payload, "s3", "eu-central-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestSignedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, 0)
	if status, body := send(t, signedPut(t, s.url)); status != http.StatusOK {
		t.Fatalf("unchanged: status %d: %s", status, body)
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			r.GetBody = nil
		}
	}
	for name, c := range map[string]struct {
		code   string
		change func(*http.Request)
	}{
		"no signature":           {"AccessDenied", func(r *http.Request) { r.Header.Del("Authorization") }},
		"another method":         {"SignatureDoesNotMatch", func(r *http.Request) { r.Method = http.MethodDelete }},
		"another key":            {"SignatureDoesNotMatch", func(r *http.Request) { r.URL.Path += "2" }},
		"a query":                {"SignatureDoesNotMatch", func(r *http.Request) { r.URL.RawQuery = "versionId=1" }},
		"another host":           {"SignatureDoesNotMatch", func(r *http.Request) { r.Host = "elsewhere" }},
		"a signed header":        {"SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Meta-Note", "other") }},
		"a header more":          {"AccessDenied", func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }},
		"another body":           {"XAmzContentSHA256Mismatch", body("tex2")},
		"an unsigned body":       {"SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }},
		"a chunked body":         {"NotImplemented", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") }},
		"no date":                {"AccessDenied", func(r *http.Request) { r.Header.Del("X-Amz-Date") }},
		"another day":            {"AuthorizationHeaderMalformed", replaceAuthorization("/eu-central-1/", "0/eu-central-1/")},
		"another region":         {"SignatureDoesNotMatch", replaceAuthorization("eu-central-1", "us-east-1")},
		"another service":        {"AuthorizationHeaderMalformed", replaceAuthorization("/s3/", "/sts/")},
		"an unknown key id":      {"InvalidAccessKeyId", replaceAuthorization("AKIALOCAL", "AKIAOTHER")},
		"another algorithm":      {"AuthorizationHeaderMalformed", replaceAuthorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")},
		"the host not signed":    {"AccessDenied", replaceAuthorization("host;", "")},
		"a signature in both":    {"InvalidArgument", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00" }},
		"a query that is broken": {"InvalidURI", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }},
	} {
		r := signedPut(t, s.url)
		c.change(r)
		if status, answer := send(t, r); status < 400 || !strings.Contains(answer, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: status %d, want %s: %s", name, status, c.code, answer)
		}
	}
	if n := s.files(t); n != 1 {
		t.Errorf("%d files are spooled, of one accepted request", n)
	}
}

func replaceAuthorization(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
	}
}

// TestSkewedClock: a request signed by another clock is refused, and the SDK
// then corrects its own by the answer's Date.
func TestSkewedClock(t *testing.T) {
	t.Parallel()
	server := s3.New(s3.Options{
		Clock: later(time.Hour), Keys: map[string]dcm.Secret{"AKIALOCAL": dcm.NewSecret("secret")}, Buckets: []string{bucket}, Dir: t.TempDir(),
	})
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	if status, body := send(t, signedPut(t, front.URL)); status != http.StatusForbidden || !strings.Contains(body, "RequestTimeTooSkewed") {
		t.Errorf("status %d: %s", status, body)
	}
	c := client(front.URL, "AKIALOCAL", "secret", func(o *awss3.Options) { o.RetryMaxAttempts = 3 })
	if _, err := c.ListObjectsV2(context.Background(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucket)}); err != nil {
		t.Errorf("the SDK does not correct itself: %v", err)
	}
}

// FuzzServe looks for a request that ends the server, or that it serves
// without a signature.
func FuzzServe(f *testing.F) {
	server := s3.New(s3.Options{Keys: map[string]dcm.Secret{"k": dcm.NewSecret("s")}, Buckets: []string{bucket}, Dir: f.TempDir()})
	f.Add("GET", "/backups/k", "X-Amz-Signature=0&X-Amz-Expires=1&X-Amz-Algorithm=AWS4-HMAC-SHA256", "")
	f.Add("PUT", "/backups", "", "AWS4-HMAC-SHA256 Credential=k/20261124/r/s3/aws4_request, SignedHeaders=host, Signature=0")
	f.Add("POST", "//", "uploads", "AWS4-HMAC-SHA256 ,,==")
	f.Fuzz(func(t *testing.T, method, path, query, authorization string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", "20261124T000000Z")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code < 400 {
			t.Errorf("status %d", w.Code)
		}
	})
}
