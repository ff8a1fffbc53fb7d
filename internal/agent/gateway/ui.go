package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway/terminal"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxUIBody bounds the body of a request of the terminal page.
const maxUIBody = 4 << 10

// newUI routes the terminal page's host. The login page and the static files,
// which hold nothing of the workspace, are open; all else is behind the door.
func (g *Gateway) newUI() http.Handler {
	open := http.NewServeMux()
	open.HandleFunc("GET "+loginPath, g.showLogin)
	open.HandleFunc("POST "+loginPath, g.logIn)
	open.HandleFunc("POST /logout", g.logOut)
	open.Handle("GET /static/", staticFiles())

	inside := http.NewServeMux()
	inside.HandleFunc("GET /{$}", g.showTerminal)
	inside.HandleFunc("GET /api/status", g.getStatus)
	inside.HandleFunc("GET /api/sessions", g.listSessions)
	inside.HandleFunc("POST /api/sessions", g.createSession)
	inside.HandleFunc("DELETE /api/sessions/{id}", g.closeSession)
	inside.HandleFunc("GET /api/sessions/{id}/attach", g.attachSession)
	inside.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, http.StatusNotFound, "No such page", "There is only the terminal here, at "+g.uiURL(r)+".")
	})
	open.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if g.admit(w, r) {
			inside.ServeHTTP(w, r)
		}
	})

	// Changes come from the terminal's own pages only: not from the servers of
	// the workspace, which are same-site.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(writeForeignOrigin))
	return uiHeaders(guard.Handler(open))
}

func uiHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// The login form's Origin must be sent, the address of the VM to
		// other sites not.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) getStatus(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, g.options.Status())
}

func (g *Gateway) listSessions(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"items": g.sessions.List()})
}

// createSession starts a shell of the size given, once the workspace is ready.
func (g *Gateway) createSession(w http.ResponseWriter, r *http.Request) {
	var size terminal.Size
	body := http.MaxBytesReader(w, r.Body, maxUIBody)
	if err := json.NewDecoder(body).Decode(&size); err != nil && !errors.Is(err, io.EOF) {
		writeProblem(w, r, http.StatusBadRequest, "Not a terminal's size", `Send {"cols": 80, "rows": 24}, or nothing.`)
		return
	}
	if g.options.Status().Phase != dcm.PhaseReady {
		writeProblem(w, r, http.StatusConflict, "The workspace is not ready", "A shell can be opened as soon as it is.")
		return
	}
	session, err := g.sessions.Create(size)
	switch {
	case errors.Is(err, terminal.ErrTooMany):
		writeProblem(w, r, http.StatusConflict, "Too many terminals",
			"At most "+strconv.Itoa(terminal.MaxSessions)+" can be open. Close one first.")
	case err != nil:
		g.options.Logger.Error("a shell did not start", "error", err)
		writeProblem(w, r, http.StatusInternalServerError, "The shell did not start", err.Error())
	default:
		g.options.HTTPActivity()
		writeJSON(w, http.StatusCreated, session)
	}
}

func (g *Gateway) closeSession(w http.ResponseWriter, r *http.Request) {
	g.options.HTTPActivity()
	g.sessions.End(r.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

// attachSession upgrades to the terminal's WebSocket, for a page of this very
// origin or a tool, which sends none.
func (g *Gateway) attachSession(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(r) {
		writeForeignOrigin(w, r)
		return
	}
	if !g.sessions.Attach(w, r, r.PathValue("id")) {
		writeProblem(w, r, http.StatusNotFound, "No such terminal", "It was closed, or the agent was started anew.")
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
