package local_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/pebble"
)

// TestPebbleCertifiesAVM: a VM of the local stack, with the real agent, gets a
// certificate from Pebble and is reached under its names, by clients that trust
// nobody else; its key stays on it, and serves again after a restart. make acme
// runs it.
func TestPebbleCertifiesAVM(t *testing.T) {
	binary := os.Getenv("DCM_PEBBLE")
	if binary == "" {
		t.Skip("DCM_PEBBLE is not set: make acme")
	}
	var stack atomic.Pointer[local.Stack]
	starting, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := pebble.Start(starting, pebble.Options{Binary: binary, Dir: t.TempDir(), Texts: func(name string) []string {
		if s := stack.Load(); s != nil {
			return s.Texts(name)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("Pebble's log:\n%s", p.Log())
		}
	})
	s := mustStartSystem(t, systemOptions{
		environment: map[string]string{"ACME_CUSTOMERS": p.Customers().Reveal()},
		tls:         &local.TLS{Directories: []string{p.AtItsLimit, p.Directory}, TrustFile: p.TrustFile},
	})
	stack.Store(s.Stack)
	roots, err := p.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true, DialContext: s.dialEdge,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	v := s.mustLaunch(nil)
	s.untilStatus(v.ID, "running")
	address := func(scheme, label string) string {
		return fmt.Sprintf("%s://%s.%s:%d/", scheme, label, v.Hostname, s.EdgePort)
	}
	if want := strings.TrimSuffix(address("https", "ui"), "/"); v.URLs.UI != want {
		t.Errorf("its address is %s, want %s", v.URLs.UI, want)
	}
	var certificate *tls.ConnectionState
	visit := func() error {
		r, err := browser.Get(address("https", "ui") + "login")
		if err != nil {
			return err
		}
		certificate = r.TLS
		if r.ProtoMajor != 2 || r.StatusCode != http.StatusOK {
			t.Errorf("%s over %s", r.Status, r.Proto)
		}
		return r.Body.Close()
	}
	s.until(v.ID, "certified", func(vm) bool { return visit() == nil })
	first := certificate.PeerCertificates[0]

	r, err := browser.Get(address("http", "3000") + "a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if want := address("https", "3000") + "a?b=c"; r.StatusCode != http.StatusPermanentRedirect || r.Header.Get("Location") != want {
		t.Errorf("%s to %q, want %q", r.Status, r.Header.Get("Location"), want)
	}
	requireWebSocket(t, s, v, browser)

	kept := filepath.Join(filepath.Dir(s.directory(v)), "var", "lib", "dcm", "certificate", "certificate.pem")
	info, err := os.Stat(kept)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key is kept as %v, %v", info, err)
	}
	before := s.agentOf(v)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until(v.ID, "back", func(vm) bool { return visit() == nil })
	if !certificate.PeerCertificates[0].Equal(first) {
		t.Error("it has another certificate after a restart")
	}
	if texts := s.Texts("_acme-challenge." + v.Hostname); len(texts) != 0 {
		t.Errorf("challenges are left: %v", texts)
	}
	s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	s.untilStatus(v.ID, "stopped")
	s.requireNothingLeft()
}

// dialEdge finds every name at the edge.
func (s *system) dialEdge(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.EdgePort))
}

// requireWebSocket talks to a server of the workspace over a WebSocket.
func requireWebSocket(t *testing.T, s *system, v vm, browser *http.Client) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if kind, text, err := c.Read(r.Context()); err == nil {
			_ = c.Write(r.Context(), kind, text)
		}
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.SetBasicAuth("any", v.TerminalPassword)
	transport := browser.Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2, transport.TLSClientConfig.NextProtos = false, nil
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://%s.%s:%d/", port, v.Hostname, s.EdgePort), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: request.Header,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("over TLS")); err != nil {
		t.Fatal(err)
	}
	if _, text, err := c.Read(t.Context()); err != nil || string(text) != "over TLS" {
		t.Errorf("%q, %v", text, err)
	}
}
