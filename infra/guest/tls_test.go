package guest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine/guest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/pebble"
)

// pebbleVariable names Pebble's program, browserVariable a browser. make
// e2e-engine sets both.
const (
	pebbleVariable  = "DCM_PEBBLE"
	browserVariable = "DCM_TEST_BROWSER"
)

// domain is what the names of guests with certificates end in. It is not
// localhost: browsers trust that with no certificate at all.
const domain = "example.com"

// signer is Pebble, which signs the guests' certificates.
type signer struct {
	*pebble.Server
	stack atomic.Pointer[local.Stack]
	root  []byte         // PEM
	roots *x509.CertPool // it alone
}

// mustSign has guests get their certificates, and be known by names without a
// port: their own.
func mustSign(t *testing.T, o *local.Options) *signer {
	t.Helper()
	binary := os.Getenv(pebbleVariable)
	if binary == "" {
		t.Fatalf("%s is not set: make e2e-engine", pebbleVariable)
	}
	if err := guest.OpenNetwork(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := &signer{}
	var err error
	if s.Server, err = pebble.Start(ctx, pebble.Options{Binary: binary, Dir: t.TempDir(), Address: guest.Address, Texts: s.texts}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("Pebble's log:\n%s", s.Log())
		}
	})
	if s.root, err = s.Root(ctx); err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(s.root) {
		t.Fatalf("Pebble's root is %s", s.root)
	}
	o.BaseDomain, o.TLS = domain, &local.TLS{Directories: []string{s.Directory}}
	environment := map[string]string{"ACME_CUSTOMERS": s.Customers().Reveal(), "URL_PORT": ""}
	maps.Copy(environment, o.Environment)
	o.Environment = environment
	return s
}

// mustBeTrusted is whom guests must trust to call Pebble.
func (s *signer) mustBeTrusted(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(s.TrustFile)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serves tells Pebble whose DNS it is to read; nothing, if there is no Pebble.
func (s *signer) serves(stack *local.Stack) {
	if s != nil {
		s.stack.Store(stack)
	}
}

func (s *signer) texts(name string) []string {
	if stack := s.stack.Load(); stack != nil {
		return stack.Texts(name)
	}
	return nil
}

// untilCertified waits until a VM shows a certificate of the signer's, if there
// is one.
func (w *world) untilCertified(v vm) {
	w.t.Helper()
	if w.signer == nil {
		return
	}
	began := time.Now()
	d := tls.Dialer{Config: &tls.Config{ServerName: "ui." + v.Hostname, RootCAs: w.signer.roots}}
	w.watch("the certificate of "+v.ID, func() bool {
		c, err := d.DialContext(w.t.Context(), "tcp", net.JoinHostPort(v.IP, "443"))
		return err == nil && c.Close() == nil
	})
	w.t.Logf("ready to certified: %.1f s", time.Since(began).Seconds())
}

// edge is where the world finds every VM's names.
func (w *world) edge() string { return fmt.Sprintf("%s:%d", guest.Address, w.EdgePort) }

// lookOverHTTPS comes to a VM as the world does, by its names and through the
// edge, and trusts Pebble's root alone.
func (w *world) lookOverHTTPS(v vm) {
	w.t.Helper()
	if want := "https://ui." + v.Hostname; v.URLs.UI != want || !strings.HasSuffix(v.Hostname, "."+domain) {
		w.t.Errorf("its address is %s, want %s", v.URLs.UI, want)
	}
	w.lookAtCertificate(v)
	w.lookAtRedirects(v)
	if out, err := w.run(v, "test", "-e", "/built"); err == nil {
		w.t.Errorf("what shows the container is the machine's too: %s", out)
	}
	w.lookInBrowser(v)
}

// through dials one address for every name, and follows no redirect.
func (w *world) through(address string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: w.signer.roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// lookAtCertificate wants one of Pebble's for all of the VM's names and no
// other, and HTTP/2.
func (w *world) lookAtCertificate(v vm) {
	w.t.Helper()
	for _, address := range []string{w.edge(), net.JoinHostPort(v.IP, "443")} {
		r := w.mustGet(w.through(address), v.URLs.UI+"/login")
		if r.StatusCode != http.StatusOK || r.ProtoMajor != 2 || r.TLS.NegotiatedProtocol != "h2" {
			w.t.Errorf("%s: %s over %s", address, r.Status, r.Proto)
		}
		leaf := r.TLS.PeerCertificates[0]
		names := slices.Sorted(slices.Values(leaf.DNSNames))
		if !slices.Equal(names, []string{"*." + v.Hostname, v.Hostname}) || !strings.Contains(leaf.Issuer.CommonName, "Pebble") {
			w.t.Errorf("%s: the certificate is %s's, for %v", address, leaf.Issuer, names)
		}
	}
}

// lookAtRedirects asks in plain HTTP: the VM itself on its port 80, and the edge.
func (w *world) lookAtRedirects(v vm) {
	w.t.Helper()
	for _, address := range []string{net.JoinHostPort(v.IP, "80"), w.edge()} {
		const path = "/a?b=c"
		r := w.mustGet(w.through(address), "http://3000."+v.Hostname+path)
		if want := "https://3000." + v.Hostname + path; r.StatusCode != http.StatusPermanentRedirect || r.Header.Get("Location") != want {
			w.t.Errorf("%s: %s to %q, want %q", address, r.Status, r.Header.Get("Location"), want)
		}
	}
}

func (w *world) mustGet(c *http.Client, address string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer
}
