package certificate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const password = "a-terminal-password"

// TestTheFront: what a browser meets on a VM's ports 80 and 443, with a
// certificate that an authority signed and that is renewed meanwhile.
func TestTheFront(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	a := newAuthority(t, v.zone, v.clock, ninetyDays)
	a.set(http.StatusTooManyRequests)
	v.start(a)
	f := newFront(v)
	f.shown(nil) // nobody's word but the VM's own, so far
	a.set(0)
	first := v.certified(nil)

	t.Run("plain HTTP is sent to the same address under https", func(t *testing.T) {
		r := f.get(t, f.client(false), "http://3000."+hostname+"/a?b=c")
		_, port, _ := net.SplitHostPort(f.secure.Addr().String())
		if want := "https://3000." + hostname + ":" + port + "/a?b=c"; r.StatusCode != 308 || r.Header.Get("Location") != want {
			t.Errorf("%s to %q, want %q", r.Status, r.Header.Get("Location"), want)
		}
	})
	for _, http2 := range []bool{true, false} {
		client := f.client(http2, a)
		for _, label := range []string{"ui", "3000", "65000"} {
			r := f.get(t, client, "https://"+label+"."+hostname+"/login")
			if (r.ProtoMajor == 2) != http2 || r.TLS.Version != tls.VersionTLS13 || !r.TLS.PeerCertificates[0].Equal(first.Leaf) {
				t.Errorf("%s: %s, shown is the certificate of %v", label, r.Proto, r.TLS.PeerCertificates[0].DNSNames)
			}
		}
	}

	// Renewed while a WebSocket, a stream over HTTP/2 and a kept connection go on.
	socket := f.socket(t, a)
	over2 := f.client(true, a)
	stream := f.stream(t, over2)
	v.clock.Advance(60 * 24 * time.Hour)
	second := v.certified(first)
	f.shown(second)
	t.Run("a WebSocket that was open before a renewal goes on", func(t *testing.T) { socket.echo("after") })
	t.Run("so does a stream over HTTP/2, and its connection", func(t *testing.T) {
		stream.next("2\n")
		if r := f.get(t, over2, "https://3000."+hostname+"/login"); !r.TLS.PeerCertificates[0].Equal(first.Leaf) {
			t.Error("the connection was made anew")
		}
	})
	t.Run("who comes after it sees the new certificate", func(t *testing.T) {
		if r := f.get(t, f.client(true, a), "https://ui."+hostname+"/login"); !r.TLS.PeerCertificates[0].Equal(second.Leaf) {
			t.Error("the old certificate is shown")
		}
	})
}

// front is a gateway on two sockets, before a server of the workspace that
// echoes over a WebSocket, and counts at /count whenever it is told to go on.
type front struct {
	*vm
	plain, secure net.Listener
	onward        chan struct{}
}

func newFront(v *vm) *front {
	v.Helper()
	f := &front{vm: v, onward: make(chan struct{}, 1)}
	workspace := httptest.NewServer(http.HandlerFunc(f.serve))
	v.Cleanup(workspace.Close)
	g := gateway.New(gateway.Options{
		Hostname: hostname, Password: dcm.NewSecret(password), Clock: v.clock,
		Shell: func() *exec.Cmd { return exec.Command("true") },
		Dial: func(ctx context.Context, _ int) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", workspace.Listener.Addr().String())
		},
	})
	for _, l := range []*net.Listener{&f.plain, &f.secure} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			v.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- g.Serve(ctx, gateway.Listeners{HTTP: f.plain, TLS: f.secure, GetCertificate: v.keeper.Get})
	}()
	v.Cleanup(func() {
		cancel()
		g.Close()
		if err := <-served; err != nil {
			v.Error(err)
		}
	})
	return f
}

func (f *front) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/count" {
		for n := byte('1'); ; n++ {
			_, _ = w.Write([]byte{n, '\n'})
			w.(http.Flusher).Flush()
			select {
			case <-f.onward:
			case <-r.Context().Done():
				return
			}
		}
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, text, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, text) != nil {
			return
		}
	}
}

// client reaches the front under any name, and trusts the authorities.
func (f *front) client(http2 bool, trusted ...*authority) *http.Client {
	roots := x509.NewCertPool()
	for _, a := range trusted {
		roots.AddCert(a.root)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Time: f.clock.Now}, ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := f.secure.Addr()
			if strings.HasSuffix(address, ":80") {
				to = f.plain.Addr()
			}
			var d net.Dialer
			return d.DialContext(ctx, network, to.String())
		},
	}
	f.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (f *front) request(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("any", password)
	return r
}

func (f *front) get(t *testing.T, c *http.Client, address string) *http.Response {
	t.Helper()
	r, err := c.Do(f.request(t, address))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, r.Body)
	if err != nil || r.Body.Close() != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return r
}

// shown checks which certificate a handshake shows; nil for the one that the VM
// signs itself.
func (f *front) shown(want *tls.Certificate) {
	f.Helper()
	c, err := tls.Dial("tcp", f.secure.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "ui." + hostname})
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	got := c.ConnectionState().PeerCertificates[0]
	if want == nil && got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature) != nil || want != nil && !got.Equal(want.Leaf) {
		f.Errorf("shown is a certificate of %s until %s", got.Issuer, got.NotAfter)
	}
}

type frontSocket struct {
	*testing.T
	conn *websocket.Conn
}

func (f *front) socket(t *testing.T, a *authority) *frontSocket {
	t.Helper()
	header := f.request(t, "https://ignored").Header
	c, _, err := websocket.Dial(t.Context(), "wss://3000."+hostname+"/", &websocket.DialOptions{HTTPClient: f.client(false, a), HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	s := &frontSocket{t, c}
	s.echo("before")
	return s
}

func (s *frontSocket) echo(text string) {
	s.Helper()
	if err := s.conn.Write(s.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.Fatal(err)
	}
	if _, got, err := s.conn.Read(s.Context()); err != nil || string(got) != text {
		s.Fatalf("%q, %v", got, err)
	}
}

type frontStream struct {
	front *front
	body  io.ReadCloser
}

func (f *front) stream(t *testing.T, c *http.Client) *frontStream {
	t.Helper()
	r, err := c.Do(f.request(t, "https://3000."+hostname+"/count"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Body.Close() })
	if r.ProtoMajor != 2 {
		t.Fatalf("it speaks %s", r.Proto)
	}
	s := &frontStream{f, r.Body}
	s.read("1\n")
	return s
}

// next has the server count on.
func (s *frontStream) next(want string) {
	s.front.Helper()
	s.front.onward <- struct{}{}
	s.read(want)
}

func (s *frontStream) read(want string) {
	s.front.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s.body, got); err != nil || string(got) != want {
		s.front.Fatalf("%q, %v, want %q", got, err, want)
	}
}
