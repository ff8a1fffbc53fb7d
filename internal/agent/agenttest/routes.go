package agenttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func (p *Plane) route() {
	vm := "POST /vms/{id}/"
	p.handle(vm+"bootstrap", "bootstrap", p.bootstrap)
	p.handle(vm+"heartbeat", "heartbeat", p.heartbeat)
	p.handle(vm+"cleanup", "cleanup", p.cleanup)
	p.handle(vm+"backups", "start", p.start)
	p.handle(vm+"backups/{backup}/parts", "parts", p.parts)
	p.handle(vm+"backups/{backup}/complete", "complete", p.complete)
	p.handle("PUT /storage/parts/{backup}/{number}/{age}", "put", p.put)
	p.handle("GET /storage/object", "get", p.get)
}

// ServeHTTP serves the API and the storage.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.Clock != nil {
		w.Header().Set("Date", p.Clock.Now().UTC().Format(http.TimeFormat))
	}
	p.routes.ServeHTTP(w, r)
}

// handle counts a route's calls and injects its faults.
func (p *Plane) handle(pattern, name string, h http.HandlerFunc) {
	p.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.state.calls[name]++
		fault := p.take(name)
		w.Header().Set("Date", time.Now().Add(p.ahead).UTC().Format(http.TimeFormat))
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			p.changed.Broadcast()
			p.mu.Unlock()
		}()
		if fault != nil {
			fault.serve(w, r, h)
			return
		}
		h(w, r)
	})
}

func problem(w http.ResponseWriter, status int, code dcm.Code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": detail, "requestId": "req-1"})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// authorised reads a call's body and checks its token; false if it answered.
func (p *Plane) authorised(w http.ResponseWriter, r *http.Request, body any) bool {
	p.mu.Lock()
	token := p.state.token
	p.mu.Unlock()
	switch {
	case token == "" || r.PathValue("id") != string(VM):
		problem(w, http.StatusNotFound, dcm.CodeNotFound, "there is no such VM")
		return false
	case r.Header.Get("Authorization") != "Bearer "+token:
		problem(w, http.StatusUnauthorized, dcm.CodeUnauthenticated, "the token is not valid")
		return false
	}
	return decode(w, r, body)
}

func decode(w http.ResponseWriter, r *http.Request, body any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(body); err != nil {
		problem(w, http.StatusBadRequest, dcm.CodeInvalid, err.Error())
		return false
	}
	return true
}

func (p *Plane) bootstrap(w http.ResponseWriter, r *http.Request) {
	var body dcm.BootstrapRequest
	if r.Header.Get("Authorization") != "Bearer "+BootstrapToken {
		problem(w, http.StatusUnauthorized, dcm.CodeUnauthenticated, "the token is not valid")
		return
	}
	if !decode(w, r, &body) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.boundKey != "" && p.state.boundKey != body.PublicKey {
		problem(w, http.StatusForbidden, dcm.CodeForbidden, "the bootstrap token was used with another key")
		return
	}
	p.state.boundKey = body.PublicKey
	a := p.Answer
	a.VMToken = p.state.token
	if a.Restore = p.restore(); a.Restore != nil {
		a.Generation = a.Restore.Generation
	}
	answer(w, a)
}

func (p *Plane) heartbeat(w http.ResponseWriter, r *http.Request) {
	var body dcm.Heartbeat
	if !p.authorised(w, r, &body) {
		return
	}
	if err := legal(body); err != nil {
		problem(w, http.StatusBadRequest, dcm.CodeInvalid, err.Error())
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.beats = append(p.state.beats, body)
	a := p.state.command
	if p.state.nextToken != "" {
		a.Token, p.state.token, p.state.nextToken = p.state.nextToken, p.state.nextToken, ""
	}
	answer(w, a)
}

// legal is what the real control plane checks of a heartbeat.
func legal(b dcm.Heartbeat) error {
	switch b.State {
	case dcm.AgentBooting, dcm.AgentRunning, dcm.AgentFailed:
	case dcm.AgentStopping:
		switch b.Reason {
		case dcm.StopUser, dcm.StopIdle, dcm.StopMaxLifetime, dcm.StopBudget:
		default:
			return fmt.Errorf("stopping for %q", b.Reason)
		}
	default:
		return fmt.Errorf("state %q", b.State)
	}
	if p := b.Backup; p != nil && (p.Bytes < 0 || p.StalledSeconds < 0) {
		return fmt.Errorf("backup %+v", p)
	}
	if !b.Phase.Valid() || len(b.Version) > 64 || b.Error != nil && len(b.Error.Message) > 1024 {
		return fmt.Errorf("heartbeat %+v", b)
	}
	return nil
}

func (p *Plane) cleanup(w http.ResponseWriter, r *http.Request) {
	var body dcm.Cleanup
	if !p.authorised(w, r, &body) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.cleanups = append(p.state.cleanups, body)
	w.WriteHeader(http.StatusAccepted)
}
