// Package cloudflare simulates the Cloudflare API, as far as DNS records go:
// the real wire format, over HTTP, with state, and failing as the real one
// fails.
package cloudflare

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options set up a simulated API.
type Options struct {
	// Clock is required.
	Clock dcm.Clock
	// Zones are the zones' names by their ids. An id has up to 32 letters and
	// digits.
	Zones map[string]string
	// Tokens are the API tokens that work, by their text.
	Tokens map[string]Token
	// RecordLimit is how many records fit a zone; 0 for 1000, as on the free
	// plan for older zones.
	RecordLimit int
	// PageLimit is the most records on one page; 0 for 5000.
	PageLimit int
	// Requests is how many requests a token has in five minutes; 0 for 1200,
	// the real API's.
	Requests int
}

// Token says what an API token opens.
type Token struct {
	// Zones lists the zones it reaches, by id; nil for all of them.
	Zones []string
	// ReadOnly tokens may only GET.
	ReadOnly bool
}

// Server is the simulated API. It serves under /client/v4.
type Server struct {
	clock       dcm.Clock
	recordLimit int
	pageLimit   int
	requests    int

	mu      sync.Mutex
	zones   map[string]*zone
	tokens  map[string]Token
	windows map[string]*window
	last    int64
}

type zone struct {
	id, name string
	records  map[string]*record
}

// window counts a token's requests in five minutes.
type window struct {
	from time.Time
	used int
}

const windowLength = 5 * time.Minute

// New returns a simulated API.
func New(o Options) *Server {
	s := &Server{
		clock: o.Clock, recordLimit: cmp.Or(o.RecordLimit, 1000), pageLimit: cmp.Or(o.PageLimit, 5000),
		requests: cmp.Or(o.Requests, 1200),
		zones:    map[string]*zone{}, tokens: map[string]Token{}, windows: map[string]*window{},
	}
	for id, name := range o.Zones {
		s.AddZone(id, name)
	}
	for text, t := range o.Tokens {
		s.AddToken(text, t)
	}
	return s
}

// AddZone makes a zone.
func (s *Server) AddZone(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[id] = &zone{id: id, name: name, records: map[string]*record{}}
}

// AddToken makes a token work.
func (s *Server) AddToken(text string, t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[text] = t
}

// RemoveToken makes a token work no more.
func (s *Server) RemoveToken(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, text)
}

// RecordState is one record, as /_local/state shows it.
type RecordState struct {
	ID      string `json:"-"`
	Zone    string `json:"-"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content string `json:"content"`
	Comment string `json:"comment"`
}

// Records lists every zone's records, oldest first.
func (s *Server) Records() []RecordState {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []RecordState{}
	for _, z := range s.zones {
		for _, r := range z.records {
			list = append(list, RecordState{ID: r.ID, Zone: z.id, Name: r.Name, Type: r.Type, Content: r.Content, Comment: r.Comment})
		}
	}
	slices.SortFunc(list, func(a, b RecordState) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// AddRecord adds a record of somebody else's, unchecked, and returns its id.
func (s *Server) AddRecord(zoneID string, r RecordState) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now().UTC()
	added := &record{
		ID: s.nextID(), Name: r.Name, Type: r.Type, Content: r.Content, Comment: r.Comment, TTL: 1, Created: now, Modified: now,
	}
	s.zones[zoneID].records[added.ID] = added
	return added.ID
}

// all returns the zone's records, oldest first. It needs the lock.
func (z *zone) all() []*record {
	list := slices.Collect(maps.Values(z.records))
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// nextID returns an id that looks like Cloudflare's and sorts by age.
func (s *Server) nextID() string {
	s.last++
	return fmt.Sprintf("%016x%016x", s.last, 0x9e3779b97f4a7c15*uint64(s.last))
}

// call is one request on a zone.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	zone   *zone
	record string
}
