package storage_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage"
)

// silent is an HTTP client that must not be used.
type silent struct{ t *testing.T }

func (s silent) Do(r *http.Request) (*http.Response, error) {
	s.t.Errorf("%s %s was sent", r.Method, r.URL.Host)
	return nil, errors.New("not sent")
}

func aPart() dcm.PartSpec {
	return dcm.PartSpec{Number: 7, SizeBytes: 1234, SHA256: strings.Repeat("ab", 32)}
}

// TestPresignedPart shows what a part's signature covers: on AWS itself, with
// a role's temporary credentials, and without a call.
func TestPresignedPart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := storage.New(storage.Options{
		Region: region, HTTPClient: silent{t}, Clock: fixedClock{now},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAROLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
		}),
	})
	u := dcm.UploadRef{Key: "acme/ws-aaaaaaaaaa/workspace.tar.gz.enc", UploadID: "an/upload=="}
	signed, err := s.PresignParts(context.Background(), dcm.Bucket{Name: "backups"}, u, []dcm.PartSpec{aPart()}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(signed[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	if want := "backups.s3.eu-central-1.amazonaws.com"; parsed.Host != want || parsed.Scheme != "https" {
		t.Errorf("the URL goes to %s://%s", parsed.Scheme, parsed.Host)
	}
	for name, want := range map[string]string{
		"X-Amz-SignedHeaders":  "content-length;host;x-amz-checksum-sha256",
		"X-Amz-Date":           "20261124T120000Z",
		"X-Amz-Expires":        "3600",
		"X-Amz-Security-Token": "session",
		"partNumber":           "7",
		"uploadId":             "an/upload==",
	} {
		if got := parsed.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(signed[0].Headers) != 1 || signed[0].Headers["X-Amz-Checksum-Sha256"] != "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=" {
		t.Errorf("the headers to send are %v", signed[0].Headers)
	}
}

// TestPresignRead shows that the newest version is asked for by no version.
func TestPresignRead(t *testing.T) {
	t.Parallel()
	s := storage.New(storage.Options{Region: region, HTTPClient: silent{t}, Credentials: static("AKIA", dcm.NewSecret("secret"))})
	for _, version := range []string{"", "v1"} {
		signed, err := s.PresignRead(context.Background(), dcm.Bucket{Name: "backups"}, "agents/1/agent", version, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := url.Parse(signed.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if query := parsed.Query(); query.Get("versionId") != version || query.Has("versionId") != (version != "") {
			t.Errorf("version %q: the URL asks for %q", version, query.Get("versionId"))
		}
	}
}

// TestCredentialsStayHome: the platform's credentials are not sent to, nor
// anything signed with them for, an endpoint a tenant chose.
func TestCredentialsStayHome(t *testing.T) {
	t.Parallel()
	s := storage.New(storage.Options{Region: region, HTTPClient: silent{t}, Credentials: static("AKIAPLATFORM", dcm.NewSecret("secret"))})
	ctx := context.Background()
	for name, b := range map[string]dcm.Bucket{
		"a foreign endpoint": {Name: "b", Endpoint: "https://s3.attacker.example"},
		"half a credential":  {Name: "b", AccessKeyID: "AKIATENANT"},
		"the other half":     {Name: "b", SecretAccessKey: dcm.NewSecret("x")},
	} {
		if _, err := s.StartUpload(ctx, b, "k", "bk-aaaaaaaaaa"); dcm.KindOf(err) != dcm.KindAuth {
			t.Errorf("%s: StartUpload: %v", name, err)
		}
		if _, err := s.PresignRead(ctx, b, "k", "", time.Hour); dcm.KindOf(err) != dcm.KindAuth {
			t.Errorf("%s: PresignRead: %v", name, err)
		}
	}
}

// TestTenantsOwnBucket: a bucket's own credentials, endpoint and region are
// used for it, beside the platform's.
func TestTenantsOwnBucket(t *testing.T) {
	t.Parallel()
	s := storage.New(storage.Options{Region: region, HTTPClient: silent{t}, Credentials: static("AKIAPLATFORM", dcm.NewSecret("secret"))})
	own := dcm.Bucket{Name: "mine", Endpoint: "https://fsn1.objects.example", Region: "fsn1", AccessKeyID: "TENANT", SecretAccessKey: dcm.NewSecret("x")}
	signed, err := s.PresignRead(context.Background(), own, "k", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got := signed.Reveal(); !strings.HasPrefix(got, "https://fsn1.objects.example/mine/k?") || !strings.Contains(got, "TENANT%2F") || !strings.Contains(got, "%2Ffsn1%2Fs3") {
		t.Errorf("the URL is %s", got)
	}
	signed, err = s.PresignRead(context.Background(), dcm.Bucket{Name: "ours"}, "k", "", time.Hour)
	if err != nil || !strings.Contains(signed.Reveal(), "AKIAPLATFORM%2F") {
		t.Errorf("the platform's bucket after it: %v", err)
	}
}

type fixedClock struct{ at time.Time }

func (c fixedClock) Now() time.Time { return c.at }

// TestAdvancedClock: what is signed expires when the injected clock says so,
// and calls go on working however far that is from the machine's clock.
func TestAdvancedClock(t *testing.T) {
	t.Parallel()
	clock := clocktest.New(time.Now())
	server, endpoint := standIn(t, clock)
	secret := dcm.NewSecret("secret")
	makeBucket(t, endpoint, "backups", "AKIALOCAL", secret, true)
	s := storage.New(storage.Options{Credentials: static("AKIALOCAL", secret), Region: region, Endpoint: endpoint, Clock: clock})
	ctx := context.Background()
	b := dcm.Bucket{Name: "backups"}
	put := func() {
		t.Helper()
		if err := s.Put(ctx, b, "k", "text/plain", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	get := func(signed dcm.Secret) int {
		t.Helper()
		answer, err := http.Get(signed.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	put()
	signed, err := s.PresignRead(ctx, b, "k", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(40 * time.Minute)
	put()
	if status := get(signed); status != http.StatusOK {
		t.Errorf("after 40 minutes: status %d", status)
	}
	clock.Advance(21 * time.Minute)
	put()
	if status := get(signed); status != http.StatusForbidden {
		t.Errorf("after 61 minutes: status %d", status)
	}
	// A client that signs by another clock corrects itself by the answer's
	// Date, as it would with Amazon's.
	makeBucket(t, endpoint, "later", "AKIALOCAL", secret, true)
	if objects := server.Objects(); len(objects) != 1 || objects[0].Key != "k" {
		t.Errorf("the stand-in holds %v", objects)
	}
}
