package web_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/web"
)

// TestSites asks for sites by names that all lead to one address.
func TestSites(t *testing.T) {
	t.Parallel()
	bare := filepath.Join(t.TempDir(), "sample.git")
	if out, err := exec.Command("git", "init", "--quiet", "--bare", bare).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	if url, err := web.Publish(bare, "git.example.com"); err != nil || url != "https://git.example.com/sample.git" {
		t.Errorf("it is at %s, %v", url, err)
	}
	if _, err := os.Stat(filepath.Join(bare, "info", "refs")); err != nil {
		t.Error(err)
	}
	a, err := web.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	closer, err := a.Serve(address, map[string]http.Handler{
		"one.example.com": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "one") }),
		"git.example.com": http.FileServer(http.Dir(filepath.Dir(bare))),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	for url, want := range map[string]int{"https://one.example.com/": 200, "https://git.example.com/sample.git/info/refs": 200, "https://git.example.com/x": 404} {
		answer, err := client.Get(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if answer.StatusCode != want {
			t.Errorf("%s: %s", url, answer.Status)
		}
		_ = answer.Body.Close()
	}
	if _, err := client.Get("https://two.example.com/"); err == nil {
		t.Error("a name that is not served has a certificate")
	}
}
