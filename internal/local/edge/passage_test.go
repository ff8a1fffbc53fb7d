package edge_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/edge"
)

// secureEdge is an edge before an agent that speaks TLS.
type secureEdge struct {
	server *http.Server
	addr   net.Addr
	roots  *x509.CertPool
}

func newSecureEdge(t *testing.T, agent http.Handler) *secureEdge {
	t.Helper()
	certificate, roots := certificateFor(t, "*."+hostname)
	a := httptest.NewUnstartedServer(agent)
	a.TLS, a.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{certificate}}, true
	a.StartTLS()
	t.Cleanup(a.Close)
	e := edge.New(edge.Options{
		TLS: true, Names: func() []string { return nil },
		Resolve: func(name string) string {
			return map[string]string{"*." + hostname: "203.0.113.7", "*.booting.vm.localhost": "203.0.113.8", "*.off.vm.localhost": "203.0.113.9"}[name]
		},
		Locate: func(ip string) string {
			return map[string]string{"203.0.113.7": a.Listener.Addr().String(), "203.0.113.9": "127.0.0.1:1"}[ip]
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &secureEdge{server: &http.Server{Handler: e}, addr: l.Addr(), roots: roots}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(e.Passage(l)) }()
	t.Cleanup(func() {
		_ = s.server.Close()
		<-served
	})
	return s
}

func certificateFor(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// client finds every name at the edge.
func (s *secureEdge) client(t *testing.T, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.addr.String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestTLSIsPassedOn(t *testing.T) {
	t.Parallel()
	s := newSecureEdge(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %d", r.Proto, r.Host, r.RequestURI, len(b))
	}))
	for range 2 { // also over a connection that is there
		r, err := s.client(t, s.roots).Post("https://3000."+hostname+":7080/path?q=1", "text/plain", io.LimitReader(endless{}, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if want := "HTTP/2.0 3000." + hostname + ":7080 /path?q=1 1048576"; err != nil || string(b) != want {
			t.Errorf("%s, %v", b, err)
		}
		_ = r.Body.Close()
	}
	// Nobody but who connects checks whose certificate it is.
	if r, err := s.client(t, x509.NewCertPool()).Get("https://3000." + hostname + ":7080/"); err == nil {
		t.Errorf("%s, from a VM that nobody vouches for", r.Status)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestPlainHTTPIsSentToTLS(t *testing.T) {
	t.Parallel()
	s := newSecureEdge(t, http.NotFoundHandler())
	for host, want := range map[string]string{
		"ui." + hostname + ":7080":  "https://ui." + hostname + ":7080/a?b=c",
		"ui.elsewhere.localhost:80": "",
		"ui.booting.vm.localhost":   "",
	} {
		r, err := s.client(t, nil).Get("http://" + host + "/a?b=c")
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if got := r.Header.Get("Location"); got != want || (want != "") != (r.StatusCode == http.StatusPermanentRedirect) {
			t.Errorf("%s: %s to %q, want %q", host, r.Status, got, want)
		}
	}
}

func TestTLSThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	s := newSecureEdge(t, http.NotFoundHandler())
	for _, name := range []string{"", "localhost", "ui.elsewhere.localhost", "ui.booting.vm.localhost", "ui.off.vm.localhost"} {
		c, err := tls.Dial("tcp", s.addr.String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			_ = c.Close()
			t.Errorf("%q leads somewhere", name)
		}
	}
	c, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{0x16, 'n', 'o', 'n', 's', 'e', 'n', 's', 'e'}); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); n != 0 && err == nil {
		t.Errorf("%d bytes answer nonsense", n)
	}
}

func TestClosingEndsWhatIsPassedOn(t *testing.T) {
	t.Parallel()
	s := newSecureEdge(t, http.NotFoundHandler())
	c, err := tls.Dial("tcp", s.addr.String(), &tls.Config{ServerName: "ui." + hostname, RootCAs: s.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	silent, err := net.Dial("tcp", s.addr.String()) // has not said yet what it is
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{c, silent} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("it goes on")
		}
	}
}
