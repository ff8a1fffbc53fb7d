package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage"
)

// tenants is a bucket of a tenant's own.
func tenants(endpoint string) dcm.Bucket {
	return dcm.Bucket{Name: "backups", Endpoint: endpoint, Region: region, AccessKeyID: "TENANT", SecretAccessKey: dcm.NewSecret("secret")}
}

func platform(o storage.Options) *storage.Storage {
	o.Region, o.Credentials = region, static("AKIAPLATFORM", dcm.NewSecret("secret"))
	return storage.New(o)
}

// victim is a server on loopback that must not be connected to, and counts
// who does.
type victim struct {
	port        uint16
	connections atomic.Int32
}

func newVictim(t *testing.T, h http.Handler) *victim {
	t.Helper()
	v := &victim{}
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			v.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	v.port = netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
	return v
}

// rebinding is a DNS server whose answer the test changes.
type rebinding struct {
	answer atomic.Pointer[netip.Addr]
	asked  atomic.Int32
}

func (r *rebinding) set(text string) {
	ip := netip.MustParseAddr(text)
	r.answer.Store(&ip)
}

// resolver asks the DNS server, whatever the question.
func (r *rebinding) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			r.serve(ours)
		}()
		return theirs, nil
	}}
}

// serve answers questions as DNS over TCP does: a pipe is a stream.
func (r *rebinding) serve(c net.Conn) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		question := make([]byte, int(size[0])<<8|int(size[1]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		r.asked.Add(1)
		answer := reply(question, *r.answer.Load())
		if _, err := c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

// reply answers the one question with ip, if it is of its family.
func reply(question []byte, ip netip.Addr) []byte {
	const header = 12
	end := header
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, the type, the class
	kind := question[end-3]
	answer := append([]byte{}, question[:end]...)
	answer[2], answer[3] = 0x84, 0x80 // an authoritative answer
	answer[6], answer[7], answer[8], answer[9], answer[10], answer[11] = 0, 0, 0, 0, 0, 0
	address := ip.AsSlice()
	if kind == 1 && ip.Is4() || kind == 28 && ip.Is6() {
		answer[7] = 1
		answer = append(answer, 0xc0, header, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(len(address)))
		answer = append(answer, address...)
	}
	return answer
}

// TestRebinding: a name that led to a public address when it was looked at
// leads to a local one when it is connected to.
func TestRebinding(t *testing.T) {
	t.Parallel()
	v := newVictim(t, http.NotFoundHandler())
	dns := &rebinding{}
	s := platform(storage.Options{Resolver: dns.resolver()})
	endpoint := fmt.Sprintf("https://storage.tenant.example:%d", v.port)
	if err := dcm.CheckEndpoint(endpoint, false); err != nil {
		t.Fatal(err)
	}
	dns.set("93.184.215.14")
	seen, err := dns.resolver().LookupNetIP(t.Context(), "ip", "storage.tenant.example")
	if err != nil || len(seen) != 1 || dcm.CheckAddress(seen[0], false) != nil {
		t.Fatalf("before: %v, %v", seen, err)
	}
	for _, local := range []string{
		"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "10.0.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254",
		"169.254.170.2", "fd00:ec2::254", "fe80::1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1",
	} {
		dns.set(local)
		before := dns.asked.Load()
		err := s.Check(t.Context(), tenants(endpoint), "acme/")
		if dcm.KindOf(err) != dcm.KindInvalid {
			t.Errorf("%s: %v", local, err)
		}
		if problem, ok := errors.AsType[*dcm.ProviderError](err); ok && strings.Contains(problem.Message, local) {
			t.Errorf("%s: the tenant would read %q", local, problem.Message)
		}
		if n := dns.asked.Load() - before; n == 0 || n > 4 {
			t.Errorf("%s: the name was asked for %d times", local, n)
		}
	}
	if n := v.connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestEveryCallIsGuarded: there is no way around the guard, and without it the
// same calls do arrive.
func TestEveryCallIsGuarded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	u := dcm.UploadRef{Key: "k", UploadID: "u", BackupID: "bk-aaaaaaaaaa"}
	part := dcm.PartSpec{Number: 1, SizeBytes: 1, SHA256: strings.Repeat("0", 64)}
	calls := map[string]func(*storage.Storage, dcm.Bucket) error{
		"StartUpload": func(s *storage.Storage, b dcm.Bucket) error {
			_, err := s.StartUpload(ctx, b, "k", "bk-aaaaaaaaaa")
			return err
		},
		"CompleteUpload": func(s *storage.Storage, b dcm.Bucket) error {
			_, err := s.CompleteUpload(ctx, b, u, dcm.UploadTotals{Parts: 1})
			return err
		},
		"FindUploaded": func(s *storage.Storage, b dcm.Bucket) error {
			_, err := s.FindUploaded(ctx, b, u)
			return err
		},
		"Open": func(s *storage.Storage, b dcm.Bucket) error {
			_, err := s.Open(ctx, b, "k", "v")
			return err
		},
		"AbortUpload":   func(s *storage.Storage, b dcm.Bucket) error { return s.AbortUpload(ctx, b, u) },
		"AbortUploads":  func(s *storage.Storage, b dcm.Bucket) error { return s.AbortUploads(ctx, b, "k") },
		"Put":           func(s *storage.Storage, b dcm.Bucket) error { return s.Put(ctx, b, "k", "text/plain", nil) },
		"UploadPart":    func(s *storage.Storage, b dcm.Bucket) error { return s.UploadPart(ctx, b, u, part, []byte("x")) },
		"DeleteAll":     func(s *storage.Storage, b dcm.Bucket) error { return s.DeleteAll(ctx, b, "acme/") },
		"DeleteVersion": func(s *storage.Storage, b dcm.Bucket) error { return s.DeleteVersion(ctx, b, "k", "v") },
		"Check":         func(s *storage.Storage, b dcm.Bucket) error { return s.Check(ctx, b, "acme/") },
	}
	dns := &rebinding{}
	dns.set("127.0.0.1")
	forbid := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for name, call := range calls {
		v := newVictim(t, forbid)
		for _, endpoint := range []string{
			fmt.Sprintf("https://storage.tenant.example:%d", v.port),
			fmt.Sprintf("http://storage.tenant.example:%d", v.port),
			fmt.Sprintf("https://127.0.0.1:%d", v.port),
			fmt.Sprintf("http://127.0.0.1:%d", v.port),
			fmt.Sprintf("https://localhost:%d", v.port),
		} {
			if err := call(platform(storage.Options{Resolver: dns.resolver()}), tenants(endpoint)); dcm.KindOf(err) != dcm.KindInvalid {
				t.Errorf("%s at %s: %v", name, endpoint, err)
			}
		}
		if n := v.connections.Load(); n != 0 {
			t.Errorf("%s made %d connections", name, n)
		}
		open := platform(storage.Options{Resolver: dns.resolver(), AllowPrivateEndpoints: true})
		err := call(open, tenants(fmt.Sprintf("http://storage.tenant.example:%d", v.port)))
		if dcm.KindOf(err) != dcm.KindAuth || v.connections.Load() == 0 {
			t.Errorf("%s with private endpoints allowed: %v, %d connections", name, err, v.connections.Load())
		}
	}
}

// TestPresignedForTenants: a URL to a refused endpoint is not made, which a VM
// would call.
func TestPresignedForTenants(t *testing.T) {
	t.Parallel()
	s := platform(storage.Options{})
	for _, b := range []dcm.Bucket{tenants("https://169.254.169.254"), tenants("http://s3.example.com"), tenants("https://user@s3.example.com")} {
		if _, err := s.PresignRead(t.Context(), b, "k", "", 3600e9); dcm.KindOf(err) != dcm.KindInvalid {
			t.Errorf("%s: PresignRead: %v", b.Endpoint, err)
		}
	}
	b := tenants("https://s3.example.com")
	b.Name = "arn:aws:s3:eu-central-1:123456789012:accesspoint/x"
	if _, err := s.PresignRead(t.Context(), b, "k", "", 3600e9); dcm.KindOf(err) != dcm.KindInvalid {
		t.Errorf("a bucket that is an ARN: %v", err)
	}
}

// TestRedirects: a storage that answers with a redirect, of whatever kind, is
// not followed, not even to itself.
func TestRedirects(t *testing.T) {
	t.Parallel()
	target := newVictim(t, http.NotFoundHandler())
	for _, status := range []int{301, 302, 303, 307, 308} {
		v := newVictim(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("http://127.0.0.1:%d/latest/meta-data/", target.port), status)
		}))
		s := platform(storage.Options{AllowPrivateEndpoints: true})
		b := tenants(fmt.Sprintf("http://127.0.0.1:%d", v.port))
		if err := s.Put(t.Context(), b, "k", "text/plain", []byte("x")); dcm.KindOf(err) != dcm.KindInvalid {
			t.Errorf("%d: Put: %v", status, err)
		}
		if _, err := s.Open(t.Context(), b, "k", ""); dcm.KindOf(err) != dcm.KindInvalid {
			t.Errorf("%d: Open: %v", status, err)
		}
	}
	if n := target.connections.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestEndlessAnswer: a storage that lists without end takes bounded memory,
// and an object's content may still be longer.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	const long = 9 << 20
	var sent atomic.Int64
	v := newVictim(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("x-id") == "GetObject" {
			_, _ = w.Write(make([]byte, long))
			return
		}
		entry := []byte("<ListVersionsResult>" + strings.Repeat("<Unknown>x</Unknown>", 4000))
		for r.Context().Err() == nil {
			n, err := w.Write(entry)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	s := platform(storage.Options{AllowPrivateEndpoints: true})
	b := tenants(fmt.Sprintf("http://127.0.0.1:%d", v.port))
	if _, err := s.FindUploaded(t.Context(), b, dcm.UploadRef{Key: "k"}); err == nil {
		t.Error("an endless list was read to its end")
	}
	body, err := s.Open(t.Context(), b, "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); n != long || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// TestAnswersOfTags: an element takes ten bytes of an answer, and hundreds of
// memory. A list has no more of them than its thousand entries need.
func TestAnswersOfTags(t *testing.T) {
	t.Parallel()
	var entries atomic.Int64
	v := newVictim(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ListVersionsResult>"+strings.Repeat("<Version/>", int(entries.Load()))+"</ListVersionsResult>")
	}))
	s := platform(storage.Options{AllowPrivateEndpoints: true})
	b := tenants(fmt.Sprintf("http://127.0.0.1:%d", v.port))
	for n, fits := range map[int64]bool{30_000: true, 50_000: false} {
		entries.Store(n)
		if _, err := s.FindUploaded(t.Context(), b, dcm.UploadRef{Key: "k"}); (err == nil) != fits {
			t.Errorf("of %d entries: %v", n, err)
		}
	}
}

// TestEndlessPages: a storage whose lists have always another page.
func TestEndlessPages(t *testing.T) {
	t.Parallel()
	var pages atomic.Int64
	v := newVictim(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := pages.Add(1)
		name, entry := "ListMultipartUploadsResult", "<Upload><Key>acme/k</Key><UploadId>u</UploadId></Upload>"
		if r.URL.Query().Has("uploadId") {
			name, entry = "ListPartsResult", "<Part><PartNumber>1</PartNumber></Part>"
		}
		fmt.Fprintf(w, "<%s><IsTruncated>true</IsTruncated><NextKeyMarker>k%d</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"+
			"<NextPartNumberMarker>%d</NextPartNumberMarker>%s</%s>", name, n, n, strings.Repeat(entry, 1000), name)
	}))
	s := platform(storage.Options{AllowPrivateEndpoints: true})
	b := tenants(fmt.Sprintf("http://127.0.0.1:%d", v.port))
	if _, err := s.ListUploads(t.Context(), b, "acme/"); err == nil || pages.Load() > 12 {
		t.Errorf("uploads: %v, after %d pages", err, pages.Load())
	}
	pages.Store(0)
	if _, err := s.CompleteUpload(t.Context(), b, dcm.UploadRef{Key: "k", UploadID: "u"}, dcm.UploadTotals{Parts: 1}); err == nil || pages.Load() > 12 {
		t.Errorf("parts: %v, after %d pages", err, pages.Load())
	}
}

// TestContentThatEndsEarly: half an object is an error of ours.
func TestContentThatEndsEarly(t *testing.T) {
	t.Parallel()
	v := newVictim(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 500))
	}))
	s := platform(storage.Options{AllowPrivateEndpoints: true})
	body, err := s.Open(t.Context(), tenants(fmt.Sprintf("http://127.0.0.1:%d", v.port)), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	if _, ok := errors.AsType[*dcm.ProviderError](err); !ok || n != 500 {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// TestTenantsOwnStandIn: a bucket of a tenant's own passes the check with a key
// that opens nothing else.
func TestTenantsOwnStandIn(t *testing.T) {
	t.Parallel()
	server, endpoint := standIn(t, nil)
	server.AddBucket("backups", true)
	server.AddBucket("others", true)
	server.AddKey("TENANT", s3Key("secret", "backups"))
	s := platform(storage.Options{AllowPrivateEndpoints: true})
	b := tenants(endpoint)
	if err := s.Check(t.Context(), b, "acme/"); err != nil {
		t.Error(err)
	}
	b.Name = "others"
	if err := s.Check(t.Context(), b, "acme/"); dcm.KindOf(err) != dcm.KindAuth {
		t.Errorf("another bucket: %v", err)
	}
	b.SecretAccessKey = dcm.NewSecret("wrong")
	if err := s.Check(t.Context(), b, "acme/"); dcm.KindOf(err) != dcm.KindAuth {
		t.Errorf("a wrong secret: %v", err)
	}
	if objects, uploads := server.Objects(), server.Uploads(); len(objects)+len(uploads) != 0 {
		t.Errorf("left are %v and %v", objects, uploads)
	}
}

// TestPlatformsEndpointIsExempt: it may be private, whatever tenants may use.
func TestPlatformsEndpointIsExempt(t *testing.T) {
	t.Parallel()
	server, endpoint := standIn(t, nil)
	server.AddBucket("backups", true)
	s := storage.New(storage.Options{Region: region, Endpoint: endpoint, Credentials: static("AKIALOCAL", dcm.NewSecret("secret"))})
	if err := s.Check(t.Context(), dcm.Bucket{Name: "backups"}, "acme/"); err != nil {
		t.Error(err)
	}
}
