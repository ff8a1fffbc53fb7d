// Package hetzner sells VMs from Hetzner Cloud, through hcloud-go.
//
// Every method makes the calls its comment says and no more: hcloud-go's own
// retries are off, because the lifecycle decides what a failure means, within
// a budget of time and of calls.
//
// Root passwords: Hetzner makes one for a server created without an SSH key,
// answers it, and e-mails it to the project's owner. An account may name a key,
// and then there is none. The password in the answer is dropped here, and
// user-data must close password log-in (cloudinit does).
package hetzner

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Name is the provider's name in configuration and records.
const Name = "hetzner"

// callTimeout bounds one call whose context has no deadline of its own.
const callTimeout = 30 * time.Second

// Options set up the provider. The zero value talks to the real API.
type Options struct {
	// Endpoint is the API's base URL; "" for the real one's.
	Endpoint string
	// HTTPClient is optional. Without it, calls go through Transport, or the
	// default one, are bounded in time and follow no redirect.
	HTTPClient *http.Client
	Transport  http.RoundTripper
	// Application and Version introduce us in the User-Agent.
	Application string
	Version     string
	// Currency is what prices are in, as an ISO 4217 code; "" for EUR. The
	// API says it only in its price list, not beside a server's price.
	Currency string
}

// Provider is a dcm.Provider. It holds no credential.
type Provider struct {
	endpoint    string
	http        *http.Client
	application string
	version     string
	currency    string
}

var _ dcm.Provider = (*Provider)(nil)

// New returns the provider. It makes no call.
func New(o Options) *Provider {
	p := &Provider{
		endpoint: o.Endpoint, http: o.HTTPClient,
		application: o.Application, version: o.Version, currency: o.Currency,
	}
	if p.endpoint == "" {
		p.endpoint = hcloud.Endpoint
	}
	if p.http == nil {
		p.http = &http.Client{Transport: o.Transport, Timeout: callTimeout, CheckRedirect: refuseRedirect}
	}
	if p.currency == "" {
		p.currency = "EUR"
	}
	return p
}

// refuseRedirect keeps the token, and user-data, from going elsewhere. The API
// never redirects.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errors.New("the Hetzner API redirected, which it never does")
}

// client makes the client of one call, with the call's credential.
func (p *Provider) client(op string, c dcm.Credential) (*hcloud.Client, error) {
	if c.Token.IsZero() {
		return nil, &dcm.ProviderError{Kind: dcm.KindAuth, Op: op, Message: "there is no Hetzner API token"}
	}
	if !headerText(c.Token.Reveal()) {
		return nil, &dcm.ProviderError{Kind: dcm.KindAuth, Op: op, Message: "the Hetzner API token contains characters that no token has"}
	}
	return hcloud.NewClient(
		hcloud.WithEndpoint(p.endpoint),
		hcloud.WithToken(c.Token.Reveal()),
		hcloud.WithHTTPClient(p.observed(c.Observe)),
		hcloud.WithApplication(p.application, p.version),
		hcloud.WithRetryOpts(hcloud.RetryOpts{MaxRetries: 0}),
	), nil
}

// headerText reports whether text can be sent in a header: visible ASCII only.
func headerText(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' })
}
