// Package edge is what DNS and the internet do for a VM's address: it takes a
// request for any name under a VM's hostname, looks the name up in the
// simulated DNS, finds the simulated server with that address, and passes the
// request to the agent that runs there.
package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Options say where names and addresses lead.
type Options struct {
	// Resolve returns the address that the simulated DNS holds for a name as
	// it is in a record, for example "*.vm-….vm.localhost"; "" for none.
	Resolve func(name string) string
	// Locate returns the host:port of the agent on the server with this
	// address; "" while no agent listens there.
	Locate func(ip string) string
	// TLS says that the agents speak TLS. A request in plain HTTP is then sent to
	// the same address under https, and Passage takes that to the agent.
	TLS bool
	// Names lists the published names, for the page that says what there is.
	Names  func() []string
	Logger *slog.Logger
}

// Edge is the reverse proxy.
type Edge struct {
	options Options
	proxy   *httputil.ReverseProxy
}

// target is where one request goes.
type target struct{}

// New returns a proxy.
func New(o Options) *Edge {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Edge{options: o}
	e.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			address, _ := p.In.Context().Value(target{}).(string)
			p.SetURL(&url.URL{Scheme: "http", Host: address})
			// The agent must see the request as if nothing lay between.
			p.Out.Host = p.In.Host
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
				if v := p.In.Header.Values(name); v != nil {
					p.Out.Header[name] = v
				}
			}
		},
		// A proxy variable in the environment has no say on loopback.
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true},
		FlushInterval: -1,
		ErrorHandler:  e.unreachable,
		ErrorLog:      slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return e
}

// ServeHTTP passes the request on, or says why it can't.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := Wildcard(r.Host)
	if name == "" {
		e.explain(w, http.StatusNotFound, "No VM is named by "+r.Host)
		return
	}
	ip := e.options.Resolve(name)
	if ip == "" {
		e.explain(w, http.StatusNotFound, "There is no DNS record "+name)
		return
	}
	address := e.options.Locate(ip)
	if address == "" {
		e.explain(w, http.StatusBadGateway, "The server "+ip+" has no agent listening; it is still booting, or off")
		return
	}
	if e.options.TLS {
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
		return
	}
	e.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), target{}, address)))
}

// locate returns the agent behind a host's name; "" for none.
func (e *Edge) locate(host string) string {
	name := Wildcard(host)
	if name == "" {
		return ""
	}
	ip := e.options.Resolve(name)
	if ip == "" {
		return ""
	}
	return e.options.Locate(ip)
}

// Wildcard is the record that a host's name falls under: its first label
// replaced by an asterisk. It is "" for what has no two labels.
func Wildcard(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, rest, found := strings.Cut(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	if !found || rest == "" || net.ParseIP(host) != nil {
		return ""
	}
	return "*." + rest
}

func (e *Edge) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	e.options.Logger.Debug("the edge reached no agent", "host", r.Host, "error", err)
	e.explain(w, http.StatusBadGateway, "The agent behind "+r.Host+" did not answer")
}

func (e *Edge) explain(w http.ResponseWriter, status int, what string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\nThis is the local stack's edge. It serves these names, with any label for the asterisk:\n", what)
	names := e.options.Names()
	for _, name := range names {
		fmt.Fprintf(&b, "  %s\n", name)
	}
	if len(names) == 0 {
		b.WriteString("  (none: there is no VM at the moment)\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // a client that left gets no answer
}
