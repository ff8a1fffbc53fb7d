package agent

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxProblemBytes is what the control plane takes of a problem's message.
const maxProblemBytes = 1000

// status is how the agent is, as heartbeats and the terminal page tell it.
type status struct {
	mu      sync.Mutex
	state   dcm.AgentState
	phase   dcm.Phase
	runtime string
	reason  dcm.StopReason
	boot    *dcm.BootTrace // once it is over
	// lasting is what was wrong once and still matters; passing is what is
	// wrong until it works again, a backup; trying is the same of a step of a
	// backup that is being repeated.
	lasting, passing, trying *dcm.Problem
	// backup is the one under way.
	backup *progress
	// changed holds one token when something has changed since it was taken.
	changed chan struct{}
}

func newStatus() *status {
	return &status{state: dcm.AgentBooting, phase: dcm.PhaseBootstrapping, changed: make(chan struct{}, 1)}
}

func (s *status) update(f func(*status)) {
	s.mu.Lock()
	f(s)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *status) reach(p dcm.Phase) { s.update(func(s *status) { s.phase = p }) }

func (s *status) fail(p *dcm.Problem) {
	s.update(func(s *status) { s.state, s.lasting = dcm.AgentFailed, p })
}

// failAnyhow is for a failure that nobody has put in words for the user yet.
func (s *status) failAnyhow(err error) {
	s.update(func(s *status) {
		if s.state == dcm.AgentFailed {
			return
		}
		code := dcm.ProblemCloneFailed
		switch s.phase {
		case dcm.PhaseRestoring:
			code = dcm.ProblemRestoreFailed
		case dcm.PhaseBuilding, dcm.PhaseReady:
			code = dcm.ProblemBuildFailed
		}
		s.state, s.lasting = dcm.AgentFailed, problem(code, err.Error())
	})
}

// heartbeat is the status as the control plane takes it.
func (s *status) heartbeat() dcm.Heartbeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := dcm.Heartbeat{State: s.state, Phase: s.phase, Runtime: s.runtime, Error: s.lasting, Boot: s.boot}
	if p := s.temporary(); p != nil {
		b.Error = p
	}
	if s.backup != nil {
		b.Backup = s.backup.tell(time.Now())
	}
	if s.state == dcm.AgentStopping {
		b.Reason = ownReason(s.reason)
	}
	return b
}

// temporary is what is wrong until it works again.
func (s *status) temporary() *dcm.Problem {
	if s.passing != nil {
		return s.passing
	}
	return s.trying
}

// ownReason is a reason that an agent may give. The others are the control
// plane's own, which knows them already.
func ownReason(r dcm.StopReason) dcm.StopReason {
	switch r {
	case dcm.StopUser, dcm.StopIdle, dcm.StopMaxLifetime, dcm.StopBudget:
		return r
	default:
		return dcm.StopUser
	}
}

// page is the status in words for the workspace's user.
func (s *status) page() gateway.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := gateway.Status{Phase: s.phase, Problem: s.lasting}
	if t := s.temporary(); t != nil {
		p.Problem = t
	}
	switch s.state {
	case dcm.AgentStopping:
		p.Message = "This VM is ending. Its workspace is being saved."
	case dcm.AgentFailed:
		p.Message = "The workspace could not be made."
	case dcm.AgentBooting:
		p.Message = map[dcm.Phase]string{
			dcm.PhaseBootstrapping: "The VM is starting.",
			dcm.PhaseRestoring:     "The workspace is being restored.",
			dcm.PhaseCloning:       "The repository is being cloned.",
			dcm.PhaseBuilding:      "The container is being built.",
		}[s.phase]
	}
	return p
}

// problem makes a problem of an error's last words, which tell the most.
func problem(code string, words string) *dcm.Problem {
	words = strings.TrimSpace(strings.ToValidUTF8(words, "�"))
	if over := len(words) - maxProblemBytes; over > 0 {
		for !utf8.RuneStart(words[over]) {
			over++
		}
		words = "…" + words[over:]
	}
	return &dcm.Problem{Code: code, Message: words}
}

// stopper holds the wish to end: the first reason stays, and a wish to discard
// may follow at any time.
type stopper struct {
	mu        sync.Mutex
	wish      wish
	asked     chan struct{} // closed at the first wish
	discarded chan struct{} // closed when the work may go
	record    func(wish)
}

func newStopper(record func(wish)) *stopper {
	return &stopper{asked: make(chan struct{}), discarded: make(chan struct{}), record: record}
}

func (s *stopper) ask(w wish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wish.Reason != "" && (s.wish.Discard || !w.Discard) {
		return
	}
	if s.wish.Reason == "" {
		s.wish.Reason = w.Reason
		if w.Reason == "" {
			s.wish.Reason = dcm.StopUser
		}
		close(s.asked)
	}
	if w.Discard {
		s.wish.Discard = true
		close(s.discarded)
	}
	s.record(s.wish)
}

func (s *stopper) get() wish {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wish
}
