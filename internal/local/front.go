package local

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// front is the one port of the API and of the controls under /_local/. It
// listens before there is an API, because the API must know its own address.
type front struct {
	clock dcm.Clock // what answers are dated by
	ready atomic.Pointer[handlers]
}

type handlers struct{ api, controls http.Handler }

func (f *front) open(api, controls http.Handler) { f.ready.Store(&handlers{api, controls}) }

// ServeHTTP routes a request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := f.ready.Load()
	switch {
	case h == nil:
		http.Error(w, "the stack is starting", http.StatusServiceUnavailable)
	case !strings.HasPrefix(r.URL.Path, "/_local/"):
		w.Header().Set("Date", f.clock.Now().UTC().Format(http.TimeFormat))
		h.api.ServeHTTP(w, r)
	case !isLocal(r.Host):
		// A web page whose name was made to resolve to 127.0.0.1 could
		// otherwise mint itself a token.
		http.Error(w, "the controls answer to localhost only", http.StatusForbidden)
	default:
		// Nor may a page of another origin move the clock or inject faults.
		http.NewCrossOriginProtection().Handler(h.controls).ServeHTTP(w, r)
	}
}

func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == "::1"
}
