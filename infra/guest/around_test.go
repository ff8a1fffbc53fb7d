package guest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine/guest"
)

// gitHost is where repositories lie, for guests, registryHost where images and
// features do.
const (
	gitHost      = "git.example.com"
	registryHost = "registry.example.com"
)

// authority is a certificate authority that guests trust.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func mustAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the guests' authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a authority) mustIssue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve serves what guests find on the web, by its name, over HTTPS.
func serve(t *testing.T, ca authority, sites map[string]http.Handler) {
	t.Helper()
	listener, err := net.Listen("tcp", guest.Address+":443")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{NextProtos: []string{"http/1.1"}}
	for name := range sites {
		config.Certificates = append(config.Certificates, ca.mustIssue(t, name))
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := sites[r.Host]
		if site == nil {
			site = http.NotFoundHandler()
		}
		site.ServeHTTP(w, r)
	})}
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(tls.NewListener(listener, config)) }()
}

// mustPublish makes a bare repository ready to be cloned from a plain web
// server, and returns its URL.
func mustPublish(t *testing.T, bare string) string {
	t.Helper()
	mustGit(t, "-C", bare, "update-server-info")
	return "https://" + gitHost + "/" + filepath.Base(bare)
}

func mustGit(t *testing.T, words ...string) {
	t.Helper()
	c := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"}, words...)...)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", words, err, out)
	}
}

// key is an SSH key: the file of its private half, and its public half.
type key struct{ file, public string }

func mustKey(t *testing.T) key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "someone@example.com", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return key{file, string(public[:len(public)-1])}
}
