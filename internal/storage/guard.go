package storage

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// What a tenant's own storage may take of our time and memory. A transfer as
// a whole is bounded by its context only.
const (
	dialTimeout    = 10 * time.Second
	answerTimeout  = 30 * time.Second
	maxAnswerBytes = 8 << 20
	// maxAnswerTags is for lists of 1000 entries, with a dozen elements each. An
	// empty element takes 10 bytes of an answer, and hundreds of memory.
	maxAnswerTags      = 40_000
	maxHeaderBytes     = 64 << 10
	maxIdlePerEndpoint = 4
)

// foreign reports whether a tenant chose the bucket's endpoint.
func (s *Storage) foreign(b dcm.Bucket) bool {
	return b.Endpoint != "" && !sameEndpoint(b.Endpoint, s.options.Endpoint)
}

// admit refuses an endpoint and a bucket that may not be used.
func (s *Storage) admit(op string, b dcm.Bucket) error {
	if err := dcm.CheckEndpoint(b.Endpoint, s.options.AllowPrivateEndpoints); err != nil {
		return refuse(op, dcm.KindInvalid, "the storage's endpoint "+err.Error())
	}
	if err := dcm.CheckBucketName(b.Name); err != nil {
		return refuse(op, dcm.KindInvalid, "the bucket's name "+err.Error())
	}
	return nil
}

// guarded is the client for endpoints that tenants chose. The address of every
// connection is checked after the name was resolved and before a packet is
// sent, so that no name that changes its mind leads it astray; redirects are
// not followed, and no proxy resolves names elsewhere.
func guarded(o Options) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, Resolver: o.Resolver, Control: control(o.AllowPrivateEndpoints)}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: bounded{&http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  answerTimeout,
			IdleConnTimeout:        answerTimeout,
			MaxIdleConnsPerHost:    maxIdlePerEndpoint,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true,
		}},
	}
}

// control is called for every connection with the address it will have.
func control(allowPrivate bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return &refusedAddress{network + " " + address}
		}
		if err := dcm.CheckAddress(to.Addr(), allowPrivate); err != nil {
			return &refusedAddress{address}
		}
		return nil
	}
}

// refusedAddress is an address that was not connected to.
type refusedAddress struct{ address string }

func (e *refusedAddress) Error() string { return "connections to " + e.address + " are not allowed" }

// RetryableError tells the SDK that trying again helps nothing.
func (*refusedAddress) RetryableError() bool { return false }

// bounded cuts answers that no storage gives, so that one that answers without
// end takes no more memory than others. An object's content is read as a
// stream, and may be of any size.
type bounded struct{ http.RoundTripper }

// RoundTrip sends the request, and bounds what comes back.
func (t bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	content := r.Method == http.MethodGet && r.URL.Query().Get("x-id") == "GetObject" && answer.StatusCode < 300
	if !content {
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswerBytes, tags: maxAnswerTags}
	}
	return answer, nil
}

type boundedBody struct {
	io.ReadCloser
	left, tags int
}

// Read fails once more than the bound has come, in bytes or in XML's tags.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.tags -= bytes.Count(p[:n], []byte{'<'}); b.tags < 0 {
		return 0, fmt.Errorf("the answer has more than %d tags", maxAnswerTags)
	}
	return n, err
}
