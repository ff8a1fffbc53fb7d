package edge_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/edge"
)

// TestPassing opens TLS connections through an edge to the one server whose name
// it knows.
func TestPassing(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	defer server.Close()
	e := edge.New(edge.Options{
		Resolve: func(name string) string { return map[string]string{"*." + hostname: "203.0.113.7"}[name] },
		Locate:  func(string) string { return server.Listener.Addr().String() },
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Pass(listener) }()

	open := func(name string) (*tls.Conn, error) {
		return tls.Dial("tcp", listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	}
	c, err := open("ui." + hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := c.ConnectionState().PeerCertificates[0], server.Certificate(); !got.Equal(want) {
		t.Error("the connection was opened on the way")
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: somebody\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b[len(b)-len("somebody"):]) != "somebody" {
		t.Errorf("it answers %q, %v", b, err)
	}
	for _, name := range []string{"ui.elsewhere.vm.localhost", "localhost", "127.0.0.1"} {
		if c, err := open(name); err == nil {
			_ = c.Close()
			t.Errorf("%q leads somewhere", name)
		}
	}
	_ = listener.Close()
	if <-ended == nil {
		t.Error("it does not say that it ended")
	}
}
