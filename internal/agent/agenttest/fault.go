package agenttest

import (
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Fault makes calls of one route fail.
type Fault struct {
	Route string // for example "heartbeat", "put"
	// After lets so many calls pass first; then Count calls fail, all if zero.
	After, Count int
	// Status is answered, with Code as a problem if that is set, without doing
	// anything.
	Status     int
	Code       dcm.Code
	RetryAfter int // seconds
	// LoseAnswer does what was asked and drops the connection.
	LoseAnswer bool
	// CutAfter drops the connection after so many bytes of the answer.
	CutAfter int
	// Damage flips a bit in the answer's byte of this number, if positive.
	Damage int
	// Before runs first.
	Before func()

	served int
}

// Inject adds a fault.
func (p *Plane) Inject(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &f)
}

// Heal removes all faults.
func (p *Plane) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

func (p *Plane) take(route string) *Fault {
	for _, f := range p.faults {
		if f.Route != route {
			continue
		}
		f.served++
		if f.served > f.After && (f.Count == 0 || f.served <= f.After+f.Count) {
			return f
		}
	}
	return nil
}

func (f *Fault) serve(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	if f.Before != nil {
		f.Before()
	}
	switch {
	case f.LoseAnswer:
		h(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.CutAfter > 0 || f.Damage > 0:
		h(&meddler{ResponseWriter: w, cut: f.CutAfter, damage: f.Damage}, r)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Code != "" {
			problem(w, f.Status, f.Code, "injected")
			return
		}
		w.WriteHeader(f.Status)
	default:
		h(w, r)
	}
}

// meddler cuts or damages an answer on its way.
type meddler struct {
	http.ResponseWriter
	sent, cut, damage int
}

// Write passes on what the fault lets through.
func (m *meddler) Write(p []byte) (int, error) {
	if m.cut > 0 && m.sent+len(p) > m.cut {
		_, _ = m.ResponseWriter.Write(p[:m.cut-m.sent])
		_ = http.NewResponseController(m.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	if i := m.damage - m.sent; m.damage > 0 && i >= 0 && i < len(p) {
		p = append([]byte(nil), p...)
		p[i] ^= 1
	}
	m.sent += len(p)
	return m.ResponseWriter.Write(p)
}
