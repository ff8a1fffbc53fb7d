// Package cloudflare publishes DNS records at Cloudflare, through the dns
// package of cloudflare-go. The library's root package, which would bring all
// of Cloudflare's products along, is not imported; that is why request fields
// are set through their Value and Present.
//
// The library's retries are off: every method makes the calls its comment
// says, and the lifecycle decides what a failure means.
package cloudflare

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Endpoint is the real API's base URL.
const Endpoint = "https://api.cloudflare.com/client/v4/"

// callTimeout bounds one call whose context has no deadline of its own.
const callTimeout = 30 * time.Second

// Options set up the adapter. The zero value talks to the real API.
type Options struct {
	// Endpoint is the API's base URL; "" for the real one's.
	Endpoint string
	// HTTPClient is optional. Without it, calls go through Transport, or the
	// default one, are bounded in time and follow no redirect.
	HTTPClient *http.Client
	Transport  http.RoundTripper
	// UserAgent introduces us; optional.
	UserAgent string
}

// DNS is a dcm.DNS. It holds no credential.
type DNS struct {
	options []option.RequestOption
}

var _ dcm.DNS = (*DNS)(nil)

// New returns the adapter. It makes no call.
func New(o Options) *DNS {
	if o.Endpoint == "" {
		o.Endpoint = Endpoint
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Transport: o.Transport, Timeout: callTimeout, CheckRedirect: refuseRedirect}
	}
	options := []option.RequestOption{
		option.WithBaseURL(o.Endpoint), option.WithHTTPClient(o.HTTPClient), option.WithMaxRetries(0),
	}
	if o.UserAgent != "" {
		options = append(options, option.WithHeader("User-Agent", o.UserAgent))
	}
	return &DNS{options: options}
}

// refuseRedirect keeps the token from going elsewhere. The API never redirects.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errors.New("the Cloudflare API redirected, which it never does")
}

var identifier = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)

// call is one call with one zone's credential.
type call struct {
	op      string
	records *dns.RecordService
	// answer is what came back, if anything did.
	answer *http.Response
}

// begin checks the zone and makes its client. Ids become part of a URL, so
// they are held to their form.
func (d *DNS) begin(op string, z dcm.DNSZone) (*call, error) {
	if z.Token.IsZero() {
		return nil, &dcm.ProviderError{Kind: dcm.KindAuth, Op: op, Message: "there is no Cloudflare API token"}
	}
	if !headerText(z.Token.Reveal()) {
		return nil, &dcm.ProviderError{Kind: dcm.KindAuth, Op: op, Message: "the Cloudflare API token contains characters that no token has"}
	}
	if !identifier.MatchString(z.ZoneID) {
		return nil, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "the Cloudflare zone id is malformed"}
	}
	c := &call{op: op}
	options := append([]option.RequestOption{}, d.options...)
	options = append(options, option.WithAPIToken(z.Token.Reveal()), option.WithResponseInto(&c.answer))
	c.records = dns.NewRecordService(options...)
	return c, nil
}

// headerText reports whether text can be sent in a header: visible ASCII only.
func headerText(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' })
}
