package api_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/certificate"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/nameserver"
)

// TestPebble gets certificates from Let's Encrypt's own test server: the real
// client of the agent, the real control plane, and a DNS server that answers what
// the simulated Cloudflare holds. make acme runs it; without DCM_PEBBLE, which
// names the server's binary, there is nothing to run it against.
func TestPebble(t *testing.T) {
	binary := os.Getenv("DCM_PEBBLE")
	if binary == "" {
		t.Skip("DCM_PEBBLE is not set: make acme")
	}
	p := &pebble{t: t}
	full := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(rw, `{"type":"urn:ietf:params:acme:error:rateLimited","status":429}`)
	}))
	defer full.Close()
	p.listen(full)
	w := newWorld(t, map[string]string{"ACME_DIRECTORIES": full.URL + "/directory," + p.directory})
	p.zone = w
	p.start(binary, full)
	user := w.user("acme")
	m, vm := w.running(user)
	if want := []string{full.URL + "/directory", p.directory}; !slices.Equal(m.boot.ACMEDirectories, want) {
		t.Fatalf("directories %v", m.boot.ACMEDirectories)
	}

	clock := &leap{}
	keeper := certificate.New(certificate.Options{
		Hostname: m.boot.Hostname, Directories: m.boot.ACMEDirectories, Dir: t.TempDir(),
		Control: control.New(w.URL, vm.ID, "test", dcm.NewSecret(m.token)), Clock: clock,
		HTTP: p.client(), Visible: p.visible, Patience: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { keeper.Keep(ctx) })
	defer keeping.Wait()
	defer cancel()

	front := p.front(m.boot, keeper)
	certified := func(old *tls.Certificate) *tls.Certificate {
		var c *tls.Certificate
		w.eventually("a certificate", func() bool {
			c, _ = keeper.Get(nil)
			return c != nil && (old == nil || !c.Leaf.Equal(old.Leaf))
		})
		return c
	}
	first := certified(nil)
	t.Run("a browser trusts it, on every name", func(t *testing.T) { front.trusted(t, p.roots(), first) })
	t.Run("HTTP is sent to HTTPS", front.redirects)
	t.Run("a WebSocket goes through it", func(t *testing.T) { front.socket(t, p.roots()) })

	clock.leap(first.Leaf.NotAfter.Sub(first.Leaf.NotBefore)*2/3 + time.Minute)
	second := certified(first)
	cancel()
	keeping.Wait()
	if bytes.Equal(second.Leaf.RawSubjectPublicKeyInfo, first.Leaf.RawSubjectPublicKeyInfo) {
		t.Error("the key was used again")
	}
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	w.eventually("its end", func() bool { w.sweep(); return user.get(vm.ID).Status == dcm.StatusStopped })
	w.nothingLeft()
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

// pebble is the ACME server, and the DNS that it asks.
type pebble struct {
	t          *testing.T
	dns        *nameserver.Server
	zone       *world
	directory  string
	management string
	listens    string
	trust      *x509.CertPool // for the server's own address
}

// listen chooses addresses. The server's own certificate is httptest's.
func (p *pebble) listen(known *httptest.Server) {
	p.t.Helper()
	p.listens, p.management = p.free(), p.free()
	p.directory = "https://" + p.listens + "/dir"
	p.trust = x509.NewCertPool()
	p.trust.AddCert(known.Certificate())
}

func (p *pebble) free() string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *pebble) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.trust}}}
}

func (p *pebble) start(binary string, known *httptest.Server) {
	p.t.Helper()
	var err error
	if p.dns, err = nameserver.Listen("127.0.0.1:0", p.texts); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = p.dns.Close() })

	dir := p.t.TempDir()
	own := known.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(dir, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))
	p.write(dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": p.listens, "managementListenAddress": p.management,
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": false,
		"retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "a week", "validityPeriod": 604800}},
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(dir, "pebble.json", config)

	var log bytes.Buffer
	c := exec.Command(binary, "-strict", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", p.dns.Addr())
	c.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if p.t.Failed() {
			p.t.Logf("pebble's log:\n%s", log.String())
		}
	})
	p.zone.eventually("Pebble", func() bool {
		r, err := p.client().Get(p.directory)
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil
	})
}

func (p *pebble) write(dir, name string, content []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// roots are what Pebble's certificates chain up to.
func (p *pebble) roots() *x509.CertPool {
	p.t.Helper()
	r, err := p.client().Get("https://" + p.management + "/roots/0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		p.t.Fatalf("no root: %v %s", err, text)
	}
	return pool
}

// texts is what the simulated Cloudflare holds.
func (p *pebble) texts(name string) []string {
	var texts []string
	for _, r := range p.zone.State().DNSRecords {
		if r.Type == "TXT" && strings.EqualFold(r.Name, name) {
			texts = append(texts, strings.Trim(r.Content, `"`))
		}
	}
	return texts
}

// visible asks over the wire, as Pebble will.
func (p *pebble) visible(ctx context.Context, name, value string) bool {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", p.dns.Addr())
	}}
	texts, err := r.LookupTXT(ctx, name+".")
	return err == nil && slices.Contains(texts, value)
}

// pebbleFront is the agent's gateway with the keeper's certificate.
type pebbleFront struct {
	hostname, password string
	plain, secure      net.Listener
}

func (p *pebble) front(boot dcm.BootstrapAnswer, keeper *certificate.Keeper) *pebbleFront {
	p.t.Helper()
	echo := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(rw, r, nil)
		if err != nil {
			return
		}
		kind, text, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), kind, text)
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	}))
	p.t.Cleanup(echo.Close)
	g := gateway.New(gateway.Options{
		Hostname: boot.Hostname, Password: dcm.NewSecret(boot.TerminalPassword),
		Shell: func() *exec.Cmd { return exec.Command("true") },
		Dial: func(ctx context.Context, _ int) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", echo.Listener.Addr().String())
		},
	})
	f := &pebbleFront{hostname: boot.Hostname, password: boot.TerminalPassword}
	for _, l := range []*net.Listener{&f.plain, &f.secure} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			p.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- g.Serve(ctx, gateway.Listeners{HTTP: f.plain, TLS: f.secure, GetCertificate: keeper.Get})
	}()
	p.t.Cleanup(func() {
		cancel()
		g.Close()
		if err := <-served; err != nil {
			p.t.Error(err)
		}
	})
	return f
}

// client reaches the gateway under any of its names.
func (f *pebbleFront) client(roots *x509.CertPool, http2 bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := f.secure.Addr()
			if strings.HasSuffix(address, ":80") {
				to = f.plain.Addr()
			}
			var d net.Dialer
			return d.DialContext(ctx, network, to.String())
		},
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (f *pebbleFront) trusted(t *testing.T, roots *x509.CertPool, c *tls.Certificate) {
	for _, label := range []string{"ui", "3000", "8080"} {
		r, err := f.client(roots, true).Get("https://" + label + "." + f.hostname + "/login")
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		_ = r.Body.Close()
		if r.ProtoMajor != 2 || !r.TLS.PeerCertificates[0].Equal(c.Leaf) {
			t.Errorf("%s: %s, certificate of %v", label, r.Proto, r.TLS.PeerCertificates[0].DNSNames)
		}
	}
	if err := c.Leaf.VerifyHostname(f.hostname); err != nil {
		t.Error(err)
	}
}

func (f *pebbleFront) redirects(t *testing.T) {
	r, err := f.client(nil, false).Get("http://3000." + f.hostname + "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	port := strconv.Itoa(f.secure.Addr().(*net.TCPAddr).Port)
	if want := "https://3000." + f.hostname + ":" + port + "/a?b=c"; r.StatusCode != 308 || r.Header.Get("Location") != want {
		t.Errorf("%s to %q, want %q", r.Status, r.Header.Get("Location"), want)
	}
}

func (f *pebbleFront) socket(t *testing.T, roots *x509.CertPool) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ignored", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("any", f.password)
	c, _, err := websocket.Dial(t.Context(), "wss://3000."+f.hostname+"/", &websocket.DialOptions{
		HTTPClient: f.client(roots, false), HTTPHeader: r.Header,
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
