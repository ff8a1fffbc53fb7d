package api_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/certificate"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/pebble"
)

// TestPebble gets certificates from Let's Encrypt's own test server: the real
// client of the agent, the real control plane, and a DNS server that answers what
// the simulated Cloudflare holds. The first directory is at its limit, and the
// second wants to know whose account is opened. make acme runs it; without
// DCM_PEBBLE, which names the server's binary, there is nothing to run it against.
func TestPebble(t *testing.T) {
	p := mustStartPebble(t)
	w := newWorld(t, map[string]string{
		"ACME_DIRECTORIES": p.AtItsLimit + "," + p.Directory, "ACME_CUSTOMERS": p.Customers().Reveal(),
	})
	p.zone.Store(w.Stack)
	w.bringAlong()
	own, shared := w.user("acme"), w.user("other")
	own.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	for name, user := range map[string]caller{"{vm}.vm.{own domain}": own, "{vm}.{tenant}.vm.{base domain}": shared} {
		t.Run(name, func(t *testing.T) { p.certifies(t, w, user) })
	}
	w.nothingLeft()
}

// certifies has a VM certified, and again when that is due, and ends it.
func (p *pebbled) certifies(t *testing.T, w *world, user caller) {
	m, vm := w.running(user)
	if want := []string{p.AtItsLimit, p.Directory}; !slices.Equal(m.boot.ACMEDirectories, want) {
		t.Fatalf("directories %v", m.boot.ACMEDirectories)
	}
	clock := &leap{}
	keeper := certificate.New(certificate.Options{
		Hostname: m.boot.Hostname, Directories: m.boot.ACMEDirectories, Dir: t.TempDir(),
		Control: control.New(w.URL, vm.ID, "test", dcm.NewSecret(m.token)), Clock: clock,
		HTTP: p.Client(), Visible: p.visible, Patience: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { keeper.Keep(ctx) })
	defer keeping.Wait()
	defer cancel()

	certified := func(old *tls.Certificate) *tls.Certificate {
		var c *tls.Certificate
		w.eventually("a certificate", func() bool {
			c, _ = keeper.Get(nil)
			return c != nil && (old == nil || !c.Leaf.Equal(old.Leaf))
		})
		p.vouchesFor(t, c, vm.Hostname)
		return c
	}
	first := certified(nil)
	clock.leap(first.Leaf.NotAfter.Sub(first.Leaf.NotBefore)*2/3 + time.Minute)
	second := certified(first)
	cancel()
	keeping.Wait()
	if bytes.Equal(second.Leaf.RawSubjectPublicKeyInfo, first.Leaf.RawSubjectPublicKeyInfo) {
		t.Error("the key was used again")
	}
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	w.eventually("its end", func() bool { w.sweep(); return user.get(vm.ID).Status == dcm.StatusStopped })
}

// leap is a clock that can be put forward.
type leap struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (l *leap) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.ahead)
}

func (l *leap) leap(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead += d
}

// pebbled is a Pebble before a zone that comes later.
type pebbled struct {
	*pebble.Server
	zone atomic.Pointer[local.Stack]
}

func mustStartPebble(t *testing.T) *pebbled {
	t.Helper()
	binary := os.Getenv("DCM_PEBBLE")
	if binary == "" {
		t.Skip("DCM_PEBBLE is not set: make acme")
	}
	p := &pebbled{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := pebble.Start(ctx, pebble.Options{Binary: binary, Dir: t.TempDir(), Texts: func(name string) []string {
		if s := p.zone.Load(); s != nil {
			return s.Texts(name)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Server = server
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("Pebble's log:\n%s", server.Log())
		}
	})
	return p
}

// vouchesFor checks that the certificate is Pebble's word for all of the VM's
// names.
func (p *pebbled) vouchesFor(t *testing.T, c *tls.Certificate, hostname string) {
	t.Helper()
	roots, err := p.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(issuer)
	}
	for _, name := range []string{hostname, "ui." + hostname, "3000." + hostname} {
		if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// visible asks over the wire, as Pebble will.
func (p *pebbled) visible(ctx context.Context, name, value string) bool {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", p.DNS)
	}}
	texts, err := r.LookupTXT(ctx, name+".")
	return err == nil && slices.Contains(texts, value)
}
