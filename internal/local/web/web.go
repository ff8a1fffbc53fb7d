// Package web is the part of the web that guests see: sites under names of
// their own, over HTTPS, with certificates of an authority that guests are told
// to trust.
package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// life is for how long certificates count; their clocks may differ by an hour.
const life = 24 * time.Hour

// Authority issues certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority that nobody trusts yet.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the guests' authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	return &Authority{certificate, key}, nil
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func (a *Authority) issue(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue a certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Serve serves sites by their names at an address (host:port), until what it
// returns is closed.
func (a *Authority) Serve(address string, sites map[string]http.Handler, logger *slog.Logger) (io.Closer, error) {
	config := &tls.Config{NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	for name := range sites {
		c, err := a.issue(name)
		if err != nil {
			return nil, err
		}
		config.Certificates = append(config.Certificates, c)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve the web: %w", err)
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: byName(sites), ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	go func() {
		if err := s.Serve(tls.NewListener(listener, config)); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the web ended", "error", err)
		}
	}()
	return s, nil
}

type byName map[string]http.Handler

func (sites byName) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if site := sites[strings.ToLower(r.Host)]; site != nil {
		site.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// Publish makes a bare repository ready to be cloned from a plain site of files,
// and returns its URL on the site with this name.
func Publish(bare, site string) (string, error) {
	if out, err := exec.Command("git", "-C", bare, "update-server-info").CombinedOutput(); err != nil {
		return "", fmt.Errorf("publish a repository: %w: %s", err, out)
	}
	return "https://" + site + "/" + filepath.Base(bare), nil
}
