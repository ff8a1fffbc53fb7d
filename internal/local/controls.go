package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// settleTimeout bounds how long an advance of the clock waits for the agents.
const settleTimeout = 5 * time.Second

// controls serves /_local/, for scripts and tests.
func (s *Stack) controls() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /_local/token", s.controlToken)
	m.HandleFunc("GET /_local/state", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.State()) })
	m.HandleFunc("POST /_local/faults", s.controlFault)
	m.HandleFunc("DELETE /_local/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.services.wire.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("POST /_local/clock", s.controlClock)
	m.HandleFunc("POST /_local/limits", s.controlLimits)
	m.HandleFunc("POST /_local/schedules/{function}", s.controlSchedule)
	return m
}

func (s *Stack) controlToken(w http.ResponseWriter, r *http.Request) {
	// Whoever does not say who they are, or what they may, is the default
	// tenant's user who may do everything.
	who := issuer.Identity{Tenant: dcm.DefaultTenant, User: "local", Permissions: []dcm.Permission{dcm.PermissionAll}}
	if !readJSON(w, r, &who) {
		return
	}
	if !who.Tenant.Valid() {
		writeError(w, http.StatusBadRequest, errors.New("tenant must be a DNS label of at most 32 characters"))
		return
	}
	token, err := s.Token(who)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token.Reveal()})
}

func (s *Stack) controlFault(w http.ResponseWriter, r *http.Request) {
	var f wire.Fault
	if !readJSON(w, r, &f) {
		return
	}
	if err := s.services.wire.Inject(f); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Stack) controlClock(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	by, err := time.ParseDuration(body.Advance)
	if err != nil {
		writeError(w, http.StatusBadRequest, fmt.Errorf("advance: %w", err))
		return
	}
	if err := s.Advance(r.Context(), by); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"now": s.clock.Now().Format(time.RFC3339)})
}

// controlLimits sets the provider's limit on requests, for one project or all.
func (s *Stack) controlLimits(w http.ResponseWriter, r *http.Request) {
	var body struct {
		PerHour int    `json:"hetznerRequestsPerHour"`
		Left    *int   `json:"hetznerRequestsLeft"`
		Project string `json:"hetznerProject"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	left := body.PerHour
	if body.Left != nil {
		left = *body.Left
	}
	if body.PerHour < 1 || left < 0 || left > body.PerHour {
		writeError(w, http.StatusBadRequest, errors.New("hetznerRequestsPerHour must be at least 1, and hetznerRequestsLeft at most that"))
		return
	}
	s.services.hetzner.SetRequestLimit(body.Project, body.PerHour, left)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Stack) controlSchedule(w http.ResponseWriter, r *http.Request) {
	function := r.PathValue("function")
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxControlBytes))
	if err != nil {
		writeError(w, http.StatusBadRequest, fmt.Errorf("read the payload: %w", err))
		return
	}
	answer, ok, err := s.schedules.now(r.Context(), function, payload)
	switch {
	case !ok:
		writeError(w, http.StatusNotFound, fmt.Errorf("no schedule runs %q", function))
	case err != nil:
		writeError(w, http.StatusInternalServerError, err)
	default:
		writeJSON(w, http.StatusOK, map[string]any{"function": function, "result": answer})
	}
}

// Now is the time that everything here goes by.
func (s *Stack) Now() time.Time { return s.clock.Now() }

// Advance moves the clock forward and waits, for a few seconds at most, until
// every live agent has called since: otherwise the next sweep would take the
// jump for a silence.
func (s *Stack) Advance(ctx context.Context, by time.Duration) error {
	s.schedules.held.Lock()
	defer s.schedules.held.Unlock()
	if err := s.clock.Advance(by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	s.pulse.wait(ctx, s.clock.Now(), s.liveVMs)
	s.services.dynamodb.PurgeExpired()
	return nil
}

func (s *Stack) liveVMs() []string {
	var ids []string
	for _, server := range s.services.machines.Live() {
		ids = append(ids, server.Labels[dcm.LabelVM])
	}
	return ids
}

// maxControlBytes bounds a control's body.
const maxControlBytes = 1 << 20

// readJSON reads a body, of which nothing may be unknown; none at all leaves v
// as it is. It answers the request itself when it returns false.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if r.ContentLength == 0 {
		return true
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left gets no answer
}
