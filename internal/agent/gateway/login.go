package gateway

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	loginPath    = "/login"
	maxLoginBody = 8 << 10
	maxNextBytes = 2 << 10
)

// admit lets a request in, or answers it: a browser is sent to the login page
// and back, everything else is asked for the password.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request) bool {
	switch v, wait := g.door.check(r); v {
	case known:
		return true
	case tooMany:
		writeTooMany(w, r, wait)
	default:
		g.askToLogIn(w, r)
	}
	return false
}

func (g *Gateway) askToLogIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if isNavigation(r) {
		http.Redirect(w, r, g.loginURL(r), http.StatusSeeOther)
		return
	}
	// A challenge to a script's request would open the browser's own password
	// window over the page; tools need it.
	if r.Header.Get("Sec-Fetch-Mode") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="devcontainer-manager", charset="UTF-8"`)
	}
	writeProblem(w, r, http.StatusUnauthorized, "Log in first",
		"This needs the VM's terminal password: as HTTP Basic with any user name, or log in at "+g.uiURL(r)+".")
}

// isNavigation reports whether a person's browser is about to show the answer.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if r.Header.Get("Authorization") != "" || r.Header.Get("Upgrade") != "" {
		return false
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && wantsHTML(r)
}

func (g *Gateway) loginURL(r *http.Request) string {
	next := ""
	if here := scheme(r) + "://" + r.Host + pathOf(r.URL); len(here) <= maxNextBytes {
		next = "?next=" + url.QueryEscape(here)
	}
	return g.uiURL(r) + loginPath[1:] + next
}

// uiURL is the terminal page's address, as the caller would reach it.
func (g *Gateway) uiURL(r *http.Request) string {
	return g.urlOf(r, target{ui: true}) + "/"
}

// urlOf is a target's origin, with the caller's own scheme and port.
func (g *Gateway) urlOf(r *http.Request, t target) string {
	origin := scheme(r) + "://" + t.label() + "." + g.hostname
	if _, port := splitPort(r.Host); port != "" {
		origin += ":" + port
	}
	return origin
}

// nextURL is where a login leads. It is rebuilt from its parts and always one
// of this VM's own addresses, whatever next says.
func (g *Gateway) nextURL(r *http.Request, next string) string {
	home := g.uiURL(r)
	u, err := url.Parse(next)
	if err != nil || next == "" || len(next) > maxNextBytes {
		return home
	}
	to, ok := parseHost(u.Host, g.hostname)
	_, wanted := splitPort(u.Host)
	_, served := splitPort(r.Host)
	if !ok || wanted != served || u.Scheme != scheme(r) || u.User != nil {
		return home
	}
	return g.urlOf(r, to) + pathOf(u)
}

// pathOf is the path and query of a URL, always beginning with a slash.
func pathOf(u *url.URL) string {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		path = "/"
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}

// logIn answers the login form.
func (g *Gateway) logIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLoginBody)
	if err := r.ParseForm(); err != nil {
		writeProblem(w, r, http.StatusBadRequest, "That form can't be read", "Go back and try again.")
		return
	}
	next := r.PostForm.Get("next")
	switch v, wait := g.door.try(r, r.PostForm.Get("password")); v {
	case known:
		http.SetCookie(w, g.door.newCookie(r.TLS != nil))
		g.options.HTTPActivity()
		http.Redirect(w, r, g.nextURL(r, next), http.StatusSeeOther)
	case tooMany:
		w.Header().Set("Retry-After", retryAfter(wait))
		g.writeLogin(w, r, http.StatusTooManyRequests, next,
			"Too many wrong passwords. Try again in "+retryAfter(wait)+" seconds.")
	default:
		g.options.Logger.Warn("wrong password at the gateway", "client", clientOf(r))
		g.writeLogin(w, r, http.StatusUnauthorized, next, "That is not the password of this VM.")
	}
}

// logOut takes the cookie back. A copy of it somebody kept stays valid until
// it ends: the gateway keeps no list.
func (g *Gateway) logOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, g.door.noCookie(r.TLS != nil))
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, g.uiURL(r)+loginPath[1:], http.StatusSeeOther)
}

func (g *Gateway) showLogin(w http.ResponseWriter, r *http.Request) {
	next := r.URL.Query().Get("next")
	if g.door.holdsCookie(r) {
		http.Redirect(w, r, g.nextURL(r, next), http.StatusSeeOther)
		return
	}
	g.writeLogin(w, r, http.StatusOK, next, "")
}

// retryAfter is a wait in whole seconds, rounded up.
func retryAfter(wait time.Duration) string {
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}

// scheme is the one the caller used. Nothing stands between the caller and us
// that ends TLS.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
