package hetzner

import (
	"context"
	"time"
)

// action is what the API calls the progress of a change. Here every action but
// that of a snapshot has succeeded by the time it is asked about.
type action struct {
	id      int64
	command string
	server  int64
	started time.Time
	// until is how long it takes, for one that takes time.
	until time.Time
}

// newAction needs the lock.
func (s *Server) newAction(p *project, command string, server int64) *action {
	a := &action{id: s.nextID(), command: command, server: server, started: s.clock.Now().UTC()}
	p.actions[a.id] = a
	return a
}

func (a *action) body(now time.Time) map[string]any {
	b := map[string]any{
		"id": a.id, "command": a.command, "status": "running", "progress": 0,
		"started": a.started.Format(time.RFC3339), "finished": nil, "error": nil,
		"resources": []any{map[string]any{"id": a.server, "type": "server"}},
	}
	if done := a.until; !done.IsZero() && !now.Before(done) || done.IsZero() && now.After(a.started) {
		b["status"], b["progress"], b["finished"] = "success", 100, now.UTC().Format(time.RFC3339)
	}
	return b
}

func (s *Server) getAction(c *call) error {
	s.mu.Lock()
	a := c.project.actions[c.id]
	s.mu.Unlock()
	if a == nil {
		return errorOf(codeNotFound)
	}
	now := s.clock.Now()
	if a.until.IsZero() {
		now = now.Add(time.Second)
	}
	writeJSON(c.w, 200, map[string]any{"action": a.body(now)})
	return nil
}

func (s *Server) poweroffServer(c *call) error {
	return s.power(c, "stop_server", func(v *server) {
		s.powerOff(context.WithoutCancel(c.r.Context()), v)
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.Status != statusDeleting {
			v.Status = statusOff
		}
	})
}

func (s *Server) poweronServer(c *call) error {
	return s.power(c, "start_server", func(v *server) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status(v) == statusOff {
			s.boot(v)
		}
	})
}

// power runs change without the lock, on a server that isn't being deleted.
func (s *Server) power(c *call, command string, change func(*server)) error {
	s.mu.Lock()
	v, err := s.find(c)
	if err == nil && v.Status == statusDeleting {
		err = errorOf("locked")
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	a := s.newAction(c.project, command, v.ID)
	s.mu.Unlock()
	change(v)
	writeJSON(c.w, 201, map[string]any{"action": a.body(s.clock.Now())})
	return nil
}
