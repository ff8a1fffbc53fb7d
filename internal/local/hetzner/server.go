// Package hetzner simulates the Hetzner Cloud API, as far as hcloud-go calls
// it for servers: the real wire format, over HTTP, with state, and failing as
// the real one fails.
//
// It knows what the API promises (unique names, label rules, paging, limits,
// rate limits, asynchronous deletion) and nothing about who calls it.
package hetzner

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options set up a simulated API.
type Options struct {
	// Clock is required.
	Clock dcm.Clock
	// Tokens are the API tokens that work, by their text.
	Tokens map[string]Token
	// Machine boots the servers; nil for servers that only exist on paper.
	Machine Machine
	// DeleteDelay is how long a deleted server is still shown, with status
	// "deleting", on Clock. With 0 it is gone when the call returns.
	DeleteDelay time.Duration
	// SnapshotDelay is how long a snapshot takes, on Clock.
	SnapshotDelay time.Duration
	// ServerLimit is how many servers fit a project; 0 for 1000.
	ServerLimit int
	// RequestsPerHour is the rate limit of a project; 0 for 3600, the real
	// API's.
	RequestsPerHour int
	// Logger is optional.
	Logger *slog.Logger
}

// Token says what an API token opens.
type Token struct {
	// Project is the project's name; "" gives the token one of its own.
	Project string
	// ReadOnly tokens may only GET.
	ReadOnly bool
}

// Server is the simulated API. It serves under /v1.
type Server struct {
	clock         dcm.Clock
	machine       Machine
	deleteDelay   time.Duration
	snapshotDelay time.Duration
	serverLimit   int
	hourly        int
	logger        *slog.Logger

	life       context.Context
	end        context.CancelFunc
	background sync.WaitGroup

	mu       sync.Mutex
	tokens   map[string]Token
	projects map[string]*project
	stock    map[offer]int
	lastID   int64
	lastIP   uint32
	// private is whether new servers go without public addresses.
	private bool
}

// project is one Hetzner project: nothing in it is visible from another.
type project struct {
	servers map[int64]*server
	keys    map[int64]*sshKey
	actions map[int64]*action
	// snapshots are its images; the system's are everybody's.
	snapshots map[int64]*image
	budget    budget
}

type offer struct{ serverType, location string }

// New returns a simulated API. It makes no call and starts nothing.
func New(o Options) *Server {
	s := &Server{
		clock: o.Clock, machine: o.Machine, deleteDelay: o.DeleteDelay, snapshotDelay: o.SnapshotDelay,
		serverLimit: o.ServerLimit, hourly: o.RequestsPerHour, logger: o.Logger,
		tokens: map[string]Token{}, projects: map[string]*project{}, stock: map[offer]int{},
		lastID: 48812344,
	}
	if s.serverLimit == 0 {
		s.serverLimit = 1000
	}
	if s.hourly == 0 {
		s.hourly = 3600
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.life, s.end = context.WithCancel(context.Background())
	for text, t := range o.Tokens {
		s.AddToken(text, t)
	}
	return s
}

// AddToken makes a token work.
func (s *Server) AddToken(text string, t Token) {
	if t.Project == "" {
		t.Project = text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[text] = t
}

// RemoveToken makes a token work no more. Its project stays.
func (s *Server) RemoveToken(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, text)
}

// SetStock says how many more servers of a type can be had at a location;
// negative for as many as one likes, which is how every offer starts.
func (s *Server) SetStock(serverType, location string, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock[offer{serverType, location}] = count
}

// SetPrivate makes the servers ordered from now on have no public addresses, as
// the API allows; or has them again.
func (s *Server) SetPrivate(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.private = on
}

// SetLimit makes a project's rate limit so many requests an hour, of which some
// are left. The project may be new.
func (s *Server) SetLimit(project string, hourly, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.project(project).budget = budget{limit: hourly, left: float64(left), at: s.clock.Now()}
}

// Left is how many requests a project may make now, and how many were refused
// for want of them.
func (s *Server) Left(project string) (left, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.project(project).budget
	b.refill(s.clock.Now())
	return int(b.left), b.refused
}

// ServerState is one server, as /_local/state shows it.
type ServerState struct {
	ID      string            `json:"id"`
	Project string            `json:"-"`
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels"`
	IP      string            `json:"ip"`
	Status  string            `json:"status"`
	// Image is the number of the image it boots.
	Image int64 `json:"-"`
	// SSHKeys are the keys it was made with, by number. Without one, its root
	// password was e-mailed.
	SSHKeys []int64 `json:"-"`
}

// State lists every project's servers, oldest first.
func (s *Server) State() []ServerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []ServerState{}
	for name, p := range s.projects {
		s.reap(p)
		for _, v := range p.servers {
			list = append(list, ServerState{
				ID: idText(v.ID), Project: name, Name: v.Name, Labels: maps.Clone(v.Labels), IP: v.ip(), Status: s.status(v),
				SSHKeys: v.keys, Image: v.image.id,
			})
		}
	}
	sortByID(list)
	return list
}

// Close destroys every server and returns when nothing runs any more.
func (s *Server) Close() {
	s.end()
	s.mu.Lock()
	var all []*server
	for _, p := range s.projects {
		for _, v := range p.servers {
			v.Status = statusDeleting
			all = append(all, v)
		}
	}
	s.mu.Unlock()
	for _, v := range all {
		s.destroy(context.Background(), v)
	}
	s.background.Wait()
}

func (s *Server) nextID() int64 {
	s.lastID++
	return s.lastID
}

// call is one request of a project.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	id      int64
	project *project
}
