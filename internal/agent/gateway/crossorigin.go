package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// crossOrigin reports whether a page that is none of this VM's made the
// request. Browsers send our cookie with requests from any page of the same
// site, which every other VM of the installation is, and put no bar at all
// before a WebSocket. So what carries another origin is refused. What carries
// none passes if it opens a page, as a link does, or comes from a tool; what
// would be part of another VM's page, such as a script of ours read by it,
// passes only if it names this VM's page as its referrer.
//
// Requests that change things always carry one, in every browser.
func crossOrigin(r *http.Request, hostname string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return embedded(r) && !under(r.Referer(), hostname)
	}
	return !under(origin, hostname)
}

// embedded reports whether a browser asks for a part of another site's or
// host's page.
func embedded(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-site", "cross-site":
		mode := r.Header.Get("Sec-Fetch-Mode")
		return mode != "" && mode != "navigate"
	}
	return false
}

func under(address, hostname string) bool {
	u, err := url.Parse(address)
	return err == nil && underHostname(u.Host, hostname)
}

// sameOrigin reports whether a page of the very same host made the request, or
// no page at all.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == scheme(r) && strings.EqualFold(u.Host, r.Host)
}

// rewriteOrigin fits the Origin of a request from the port's own page to the
// Host the server will see. Servers compare the two, in two incompatible ways:
//
//   - Development servers (Vite, webpack, Next.js) check reads and WebSockets
//     against Host, or a list with localhost in it: they get http://localhost:port.
//   - Frameworks check changes against X-Forwarded-Host where they honour it
//     (Rails, React Router), or else against Host (Django): no one value satisfies
//     both. Most accept a change without one, so they get none: the gateway has
//     checked the origin already. SvelteKit insists on one: there its
//     csrf.checkOrigin must be off.
//
// The Origin of another port's page stays as it is, for the server's own rules
// on sharing (CORS), which must name the address the browser knows.
func rewriteOrigin(in, out *http.Request, port int) {
	// A page that hides its address (Referrer-Policy: no-referrer) sends "null".
	hidden := in.Header.Get("Sec-Fetch-Site") == "same-origin"
	if in.Header.Get("Origin") == "" || !(hidden || sameOrigin(in)) {
		return
	}
	switch in.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		out.Header.Set("Origin", "http://localhost:"+strconv.Itoa(port))
	default:
		out.Header.Del("Origin")
	}
}
