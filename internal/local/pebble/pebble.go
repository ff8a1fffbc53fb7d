// Package pebble runs Pebble, Let's Encrypt's own test server, as the
// certificate authority of a local stack: it reads the answers to its challenges
// from the stack's simulated DNS, over DNS, and it opens accounts for known
// customers only, as some authorities do.
package pebble

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/localtest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/nameserver"
)

// What the platform is known by. It opens nothing but this Pebble.
const (
	keyID   = "local-customer"
	hmacKey = "bG9jYWwgY3VzdG9tZXIsIGxvY2FsIGN1c3RvbWVyLCBsb2NhbCBjdXN0b21lcg"
)

const validitySeconds = 7 * 24 * 60 * 60

// Options set up a Pebble.
type Options struct {
	// Binary is Pebble's program, Dir a directory for its files.
	Binary, Dir string
	// Address is where the directories are, an IP address; "" for loopback.
	Address string
	// Texts answers DNS questions for TXT.
	Texts nameserver.Lookup
}

// Server is a Pebble that runs.
type Server struct {
	// Directory is its ACME directory; AtItsLimit is another one, which answers
	// that it signs no more this week.
	Directory, AtItsLimit string
	// TrustFile holds, in PEM, the certificate that both addresses show.
	TrustFile string
	// DNS is the address of the name server that it asks, over TCP.
	DNS string

	management string
	client     *http.Client
	names      *nameserver.Server
	refusing   *http.Server
	process    *exec.Cmd
	log        localtest.Log
}

// Start returns when Pebble answers. Close ends it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{TrustFile: filepath.Join(o.Dir, "pebble.pem")}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start Pebble: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) (err error) {
	address := cmp.Or(o.Address, "127.0.0.1")
	own, err := newIdentity(o.Dir, s.TrustFile, net.ParseIP(address))
	if err != nil {
		return err
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own.pool}}}
	if s.names, err = nameserver.Listen("127.0.0.1:0", o.Texts); err != nil {
		return err
	}
	s.DNS = s.names.Addr()
	if err := s.refuse(address, own); err != nil {
		return err
	}
	listens, err := free(address)
	if err != nil {
		return err
	}
	if s.management, err = free(address); err != nil {
		return err
	}
	s.Directory = "https://" + listens + "/dir"
	config := filepath.Join(o.Dir, "pebble.json")
	if err := writeJSON(config, map[string]any{"pebble": map[string]any{
		"listenAddress": listens, "managementListenAddress": s.management,
		"certificate": s.TrustFile, "privateKey": own.keyFile,
		"httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": true, "externalAccountMACKeys": map[string]string{keyID: hmacKey},
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "a week", "validityPeriod": validitySeconds}},
	}}); err != nil {
		return err
	}
	s.process = exec.Command(o.Binary, "-strict", "-config", config, "-dnsserver", s.DNS)
	s.process.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.process = nil
		return err
	}
	return s.answers(ctx)
}

// refuse serves the directory that is at its limit.
func (s *Server) refuse(address string, own *identity) error {
	l, err := tls.Listen("tcp", net.JoinHostPort(address, "0"), &tls.Config{Certificates: []tls.Certificate{own.certificate}})
	if err != nil {
		return err
	}
	s.AtItsLimit = "https://" + l.Addr().String() + "/directory"
	s.refusing = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"type":"urn:ietf:params:acme:error:rateLimited","status":429}`)
	})}
	go func() { _ = s.refusing.Serve(l) }() // until Close
	return nil
}

// answers waits until Pebble does.
func (s *Server) answers(ctx context.Context) error {
	for {
		r, err := s.get(ctx, s.Directory)
		if err == nil {
			return r.Close()
		}
		if err := dcm.Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

func (s *Server) get(ctx context.Context, address string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Customers is what the control plane must know to open accounts here.
func (s *Server) Customers() dcm.Secret {
	return dcm.NewSecret(`{"` + s.Directory + `": {"keyId": "` + keyID + `", "hmacKey": "` + hmacKey + `"}}`)
}

// Client trusts the certificate that the directories show.
func (s *Server) Client() *http.Client { return s.client }

// Root is the certificate, in PEM, that those which it signs chain up to.
func (s *Server) Root(ctx context.Context) ([]byte, error) {
	body, err := s.get(ctx, "https://"+s.management+"/roots/0")
	if err != nil {
		return nil, fmt.Errorf("ask Pebble for its root: %w", err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read Pebble's root: %w", err)
	}
	return text, nil
}

// Roots holds Root alone.
func (s *Server) Roots(ctx context.Context) (*x509.CertPool, error) {
	text, err := s.Root(ctx)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read Pebble's root: it is %s", text)
	}
	return pool, nil
}

// Log is what Pebble has said.
func (s *Server) Log() string { return s.log.String() }

// Close ends everything.
func (s *Server) Close() (err error) {
	if s.process != nil {
		err = s.process.Process.Kill()
		_ = s.process.Wait() // it was killed
	}
	if s.refusing != nil {
		err = errors.Join(err, s.refusing.Close())
	}
	if s.names != nil {
		err = errors.Join(err, s.names.Close())
	}
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	return err
}

func free(address string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
