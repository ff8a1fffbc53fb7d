package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
)

func mustListen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// serving runs Serve until the test ends, or stop is called and it returned.
func serving(t *testing.T, v *vm, l gateway.Listeners) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- v.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("serving: %v", err)
			}
		case <-time.After(patience):
			t.Error("it serves on")
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestServePlain(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	l := mustListen(t)
	stop := serving(t, v, gateway.Listeners{HTTP: l})
	client := clientOf(l.Addr().String())
	answer, err := client.Get(ui + "/login")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s", answer.Status)
	}
	stop()
	if _, err := client.Get(ui + "/login"); err == nil {
		t.Error("it answers after the end")
	}
}

func TestServeEndsStreams(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	v.listen(3000, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begun\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	l := mustListen(t)
	stop := serving(t, v, gateway.Listeners{HTTP: l})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://3000."+hostname+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := clientOf(l.Addr().String()).Do(with(r, v.mustLogIn()))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); line != "begun\n" {
		t.Fatalf("%q, %v", line, err)
	}
	stop()
}

func TestServeTLS(t *testing.T) {
	t.Parallel()
	v := newVM(t, func(o *gateway.Options) { o.Clock = nil })
	plain, secure := mustListen(t), mustListen(t)
	serving(t, v, gateway.Listeners{HTTP: plain, TLS: secure})

	t.Run("names the host and its wildcard in its certificate", func(t *testing.T) {
		conn, err := tls.Dial("tcp", secure.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "ui." + hostname})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		certificate := conn.ConnectionState().PeerCertificates[0]
		roots := x509.NewCertPool()
		roots.AddCert(certificate)
		for _, name := range []string{hostname, "ui." + hostname, "3000." + hostname} {
			if _, err := certificate.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := tls.Dial("tcp", secure.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
	})

	t.Run("sends plain HTTP there", func(t *testing.T) {
		_, port, err := net.SplitHostPort(secure.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for address, want := range map[string]string{
			"http://3000." + hostname + "/a?b=c": "https://3000." + hostname + ":" + port + "/a?b=c",
			"http://evil.test/":                  "",
		} {
			answer, err := clientOf(plain.Addr().String()).Get(address)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if got := answer.Header.Get("Location"); got != want {
				t.Errorf("%s: %s to %q, want %q", address, answer.Status, got, want)
			}
		}
	})
}

func TestServeWithGivenCertificate(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	known := httptest.NewTLSServer(nil)
	defer known.Close()
	secure := mustListen(t)
	serving(t, v, gateway.Listeners{TLS: secure, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &known.TLS.Certificates[0], nil
	}})
	conn, err := tls.Dial("tcp", secure.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !conn.ConnectionState().PeerCertificates[0].Equal(known.Certificate()) {
		t.Error("another certificate is shown")
	}
}

// TestServeUntilThereIsACertificate: a browser that comes first sees the one
// that stands in, and HTTP/2 either way.
func TestServeUntilThereIsACertificate(t *testing.T) {
	t.Parallel()
	v := newVM(t, func(o *gateway.Options) { o.Clock = nil })
	known := httptest.NewTLSServer(nil)
	defer known.Close()
	secure := mustListen(t)
	var given atomic.Pointer[tls.Certificate]
	serving(t, v, gateway.Listeners{TLS: secure, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return given.Load(), nil
	}})
	for _, server := range []string{"ui." + hostname, ""} {
		given.Store(nil)
		shown := func() *x509.Certificate {
			conn, err := tls.Dial("tcp", secure.Addr().String(), &tls.Config{
				InsecureSkipVerify: true, ServerName: server, NextProtos: []string{"h2", "http/1.1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
				t.Errorf("it speaks %q", p)
			}
			return conn.ConnectionState().PeerCertificates[0]
		}
		if err := shown().VerifyHostname("ui." + hostname); err != nil {
			t.Errorf("host %q: %v", server, err)
		}
		given.Store(&known.TLS.Certificates[0])
		if !shown().Equal(known.Certificate()) {
			t.Errorf("host %q: the one that stands in is shown", server)
		}
	}
}

func TestServeWithoutListener(t *testing.T) {
	t.Parallel()
	if err := newVM(t).Serve(t.Context(), gateway.Listeners{}); err == nil {
		t.Error("it serves nowhere and does not say so")
	}
}
