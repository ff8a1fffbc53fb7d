package terminal

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// MaxSessions is how many terminals can be open at once.
const MaxSessions = 16

var (
	// ErrTooMany is returned by Create when MaxSessions are open.
	ErrTooMany = errors.New("too many terminals are open")
	// ErrClosed is returned by Create after Close.
	ErrClosed = errors.New("the terminals are closed")
)

// Options is what sessions need.
type Options struct {
	// Shell makes the command of a new session.
	Shell func() *exec.Cmd
	// Input is called when a user types; never on output, nor for what a
	// terminal answers to a program by itself.
	Input  func()
	Logger *slog.Logger
}

// Sessions are the open terminals of a workspace.
type Sessions struct {
	options Options

	mu     sync.Mutex
	open   []*session // in the order they were made
	closed bool
	// leaders are the session ids of closed terminals in which something may
	// still run: what the user started to outlive its window.
	leaders []int
}

// Session is a terminal as its page lists it.
type Session struct {
	ID string `json:"id"`
	// Number is the smallest that was free: what the terminal is called.
	Number  int  `json:"number"`
	Running bool `json:"running"`
}

// New makes an empty set of sessions.
func New(o Options) *Sessions {
	if o.Input == nil {
		o.Input = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sessions{options: o}
}

// List returns the sessions in the order they were made.
func (s *Sessions) List() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Session, 0, len(s.open))
	for _, one := range s.open {
		list = append(list, one.describe())
	}
	return list
}

// Create starts a shell. A size that no terminal can have means 80 by 24. At
// MaxSessions, one whose shell has ended makes room; with none it returns
// ErrTooMany.
func (s *Sessions) Create(size Size) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return Session{}, ErrClosed
	case len(s.open) >= MaxSessions && !s.makeRoom():
		return Session{}, ErrTooMany
	}
	if !size.Valid() {
		size = defaultSize
	}
	one := newSession(strings.ToLower(rand.Text()[:12]), s.freeNumber(), size, s.options)
	if err := one.start(); err != nil {
		return Session{}, err
	}
	s.open = append(s.open, one)
	return one.describe(), nil
}

func (s *Sessions) makeRoom() bool {
	i := slices.IndexFunc(s.open, func(one *session) bool { return !one.running() })
	if i < 0 {
		return false
	}
	one := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	s.leaders = append(s.leaders, one.end(func(*process) {})...)
	return true
}

func (s *Sessions) freeNumber() int {
	n := 1
	for slices.ContainsFunc(s.open, func(one *session) bool { return one.number == n }) {
		n++
	}
	return n
}

func (s *Sessions) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		if one.id == id {
			return one
		}
	}
	return nil
}

// End closes a session as closing its window would. One that is not open is
// success.
func (s *Sessions) End(id string) {
	s.mu.Lock()
	i := slices.IndexFunc(s.open, func(one *session) bool { return one.id == id })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	one := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	s.mu.Unlock()
	s.remember(one.end((*process).hangUp))
}

// remember keeps the session ids in which something runs, for Close.
func (s *Sessions) remember(leaders []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for _, leader := range leaders {
			killSession(leader)
		}
		return
	}
	empty := func(leader int) bool { return signalSession(leader, 0) == 0 }
	s.leaders = slices.DeleteFunc(append(s.leaders, leaders...), empty)
}

// Close ends every session with all its processes, and returns when they are
// gone.
func (s *Sessions) Close() {
	s.mu.Lock()
	s.closed = true
	open, leaders := s.open, s.leaders
	s.open, s.leaders = nil, nil
	s.mu.Unlock()
	var ending sync.WaitGroup
	for _, leader := range leaders {
		ending.Go(func() { killSession(leader) })
	}
	for _, one := range open {
		ending.Go(func() {
			for _, leader := range one.end((*process).kill) {
				killSession(leader)
			}
		})
	}
	ending.Wait()
}
