package gateway

import (
	"html"
	"net/http"
	"strings"
	"time"
)

// problemPage is one self-contained page: it is shown on hosts that have no
// style sheet of ours.
const problemPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="dark"><title>{title}</title>
<style>
body{margin:0;min-height:100dvh;display:grid;place-items:center;background:#0d1117;color:#c9d1d9;font:16px/1.6 system-ui,sans-serif}
main{max-width:34rem;padding:2rem}
small{color:#7d8590;font:13px ui-monospace,monospace}
h1{margin:.4rem 0 .6rem;font-size:1.5rem;line-height:1.25;color:#f0f6fc}
p{margin:0 0 1.4rem}
a{display:inline-block;padding:.45rem .9rem;border:1px solid #30363d;border-radius:6px;background:#21262d;color:#e6edf3;text-decoration:none}
a:hover{border-color:#7d8590}
</style>
<main><small>{status}</small><h1>{title}</h1><p>{detail}</p>{action}</main></html>
`

// writeProblem answers with a page for a person or two lines for a tool.
// Detail is plain text.
func writeProblem(w http.ResponseWriter, r *http.Request, status int, title, detail string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if !wantsHTML(r) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(title + "\n" + detail + "\n"))
		return
	}
	action := ""
	if r.Method == http.MethodGet && status != http.StatusNotFound {
		action = `<a href="">Try again</a>`
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = strings.NewReplacer(
		"{title}", html.EscapeString(title),
		"{detail}", html.EscapeString(detail),
		"{status}", http.StatusText(status),
		"{action}", action,
	).WriteString(w, problemPage)
}

func writeUnknownHost(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, http.StatusNotFound, "No such address",
		"A VM answers at ui.<its host name> for the terminal, and at <port>.<its host name> for a port from 1 to 65535.")
}

func writeForeignOrigin(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, http.StatusForbidden, "Refused",
		"The request came from a page of another origin, which may not use this VM in your name.")
}

func writeTooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", retryAfter(wait))
	writeProblem(w, r, http.StatusTooManyRequests, "Too many wrong passwords",
		"Try again in "+retryAfter(wait)+" seconds.")
}
