package local_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

// TestAVMThatSpeaksTLS: without a directory it shows a certificate of its own
// making, for its names, to whoever comes through the edge.
func TestAVMThatSpeaksTLS(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{tls: &local.TLS{}})
	v := s.mustLaunch(nil)
	s.untilStatus(v.ID, "running")
	var shown *x509.Certificate
	browser := &http.Client{
		Transport: &http.Transport{DialContext: s.dialEdge, ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // by VerifyConnection
			VerifyConnection: func(c tls.ConnectionState) error {
				shown = c.PeerCertificates[0]
				roots := x509.NewCertPool()
				roots.AddCert(shown)
				_, err := shown.Verify(x509.VerifyOptions{DNSName: c.ServerName, Roots: roots})
				return err
			},
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, scheme := range []string{"https", "http"} {
		address := fmt.Sprintf("%s://ui.%s:%d/login", scheme, v.Hostname, s.EdgePort)
		r, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		switch scheme {
		case "https":
			if r.StatusCode != http.StatusOK || r.ProtoMajor != 2 || len(shown.DNSNames) != 2 {
				t.Errorf("%s over %s, certificate for %v", r.Status, r.Proto, shown.DNSNames)
			}
		case "http":
			if want := fmt.Sprintf("https://ui.%s:%d/login", v.Hostname, s.EdgePort); r.Header.Get("Location") != want {
				t.Errorf("%s to %q, want %q", r.Status, r.Header.Get("Location"), want)
			}
		}
	}
}
