package gateway

import (
	"embed"
	"html"
	"io/fs"
	"net/http"
	"strings"
)

// web holds the page's own files and, once "make web" has fetched them, the
// terminal emulator's. Without those everything compiles, and the page says
// what is missing.
//
//go:embed web/page all:web/assets
var web embed.FS

// emulatorFiles are the fetched files the page can't do without.
func emulatorFiles() []string {
	return []string{"xterm.mjs", "xterm.css", "addon-fit.mjs", "addon-web-links.mjs", "addon-unicode11.mjs"}
}

// hasEmulator reports whether all of them were there when we were built.
func hasEmulator() bool {
	for _, name := range emulatorFiles() {
		if _, err := fs.Stat(web, "web/assets/"+name); err != nil {
			return false
		}
	}
	return true
}

// staticFiles serves /static/page/… and /static/assets/….
func staticFiles() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the path is a constant
	}
	serve := http.StripPrefix("/static/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || strings.HasSuffix(r.URL.Path, ".html") {
			http.NotFound(w, r)
			return
		}
		// One VM's host name never serves two versions of the agent.
		w.Header().Set("Cache-Control", "private, max-age=3600")
		serve.ServeHTTP(w, r)
	})
}

// showTerminal is the terminal page.
func (g *Gateway) showTerminal(w http.ResponseWriter, r *http.Request) {
	g.options.HTTPActivity()
	if !hasEmulator() {
		writeProblem(w, r, http.StatusServiceUnavailable, "The terminal was built without xterm.js",
			"The agent works, but the terminal emulator of this page was not fetched before it was built. "+
				"In the project's folder run “make web” (it needs npm), build again, and create a new VM.")
		return
	}
	// xterm.js makes style elements as it goes; it makes no scripts.
	g.writePage(w, http.StatusOK, "terminal.html", g.policy(r, "'self' 'unsafe-inline'"), map[string]string{
		"hostname": g.hostname,
	})
}

// writeLogin is the login page; it works without scripts.
func (g *Gateway) writeLogin(w http.ResponseWriter, r *http.Request, status int, next, problem string) {
	if len(next) > maxNextBytes {
		next = ""
	}
	vm, _, _ := strings.Cut(g.hostname, ".")
	hidden := "hidden"
	if problem != "" {
		hidden = ""
	}
	g.writePage(w, status, "login.html", g.policy(r, "'self'"), map[string]string{
		"hostname": g.hostname, "vm": vm, "next": next, "problem": problem, "hidden": hidden,
	})
}

// policy allows this origin only. A browser holds the redirect after a login to
// form-action too, so that names the VM's other hosts.
func (g *Gateway) policy(r *http.Request, style string) string {
	everyHost := scheme(r) + "://*." + g.hostname
	if _, port := splitPort(r.Host); port != "" {
		everyHost += ":" + port
	}
	// Not every browser takes 'self' to mean this origin's WebSockets too.
	sockets := "ws" + strings.TrimPrefix(g.urlOf(r, target{ui: true}), "http")
	return "default-src 'none'; script-src 'self'; style-src " + style + "; img-src 'self' data:; " +
		"connect-src 'self' " + sockets + "; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + everyHost
}

// writePage fills {name} places, escaped for text and quoted attributes.
func (g *Gateway) writePage(w http.ResponseWriter, status int, name, policy string, values map[string]string) {
	page, err := fs.ReadFile(web, "web/page/"+name)
	if err != nil {
		panic(err) // it is embedded
	}
	var places []string
	for place, value := range values {
		places = append(places, "{"+place+"}", html.EscapeString(value))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = strings.NewReplacer(places...).WriteString(w, string(page))
}
