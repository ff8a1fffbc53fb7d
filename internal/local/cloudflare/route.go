package cloudflare

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type route struct {
	method    string
	path      string
	operation string
	serve     func(*Server, *call) error
}

// routes lists the operations; "{zone}" and "{id}" stand for ids.
func routes() []route {
	const records = "zones/{zone}/dns_records"
	return []route{
		{"POST", records + "/batch", "BatchRecords", (*Server).batchRecords},
		{"POST", records, "CreateRecord", (*Server).createRecord},
		{"GET", records, "ListRecords", (*Server).listRecords},
		{"GET", records + "/{id}", "GetRecord", (*Server).getRecord},
		{"PUT", records + "/{id}", "UpdateRecord", (*Server).updateRecord},
		{"PATCH", records + "/{id}", "EditRecord", (*Server).editRecord},
		{"DELETE", records + "/{id}", "DeleteRecord", (*Server).deleteRecord},
		{"GET", "zones/{zone}", "GetZone", (*Server).getZone},
		{"GET", "user/tokens/verify", "VerifyToken", (*Server).verifyToken},
	}
}

// Operations are all the names that Operation has.
func Operations() []string {
	var names []string
	for _, r := range routes() {
		if !slices.Contains(names, r.operation) {
			names = append(names, r.operation)
		}
	}
	return names
}

// Operation names what the request asks for; "" if it is no operation that is
// simulated here.
func Operation(r *http.Request) string {
	route, _, _ := find(r)
	return route.operation
}

func find(r *http.Request) (found route, zoneID, recordID string) {
	path, ok := strings.CutPrefix(r.URL.Path, "/client/v4/")
	if !ok {
		return route{}, "", ""
	}
	segments := strings.Split(path, "/")
	for _, candidate := range routes() {
		pattern := strings.Split(candidate.path, "/")
		if candidate.method != r.Method || len(pattern) != len(segments) {
			continue
		}
		zoneID, recordID = "", ""
		fits := true
		for i, p := range pattern {
			switch p {
			case "{zone}":
				zoneID = segments[i]
			case "{id}":
				recordID = segments[i]
			default:
				fits = fits && p == segments[i]
			}
		}
		if fits {
			return candidate, zoneID, recordID
		}
	}
	return route{}, "", ""
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	if err := s.serve(w, r); err != nil {
		writeError(w, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	route, zoneID, recordID := find(r)
	t, err := s.admit(w, r)
	if err != nil {
		return err
	}
	if route.serve == nil {
		return errorOf(codeNoRoute)
	}
	c := &call{w: w, r: r, record: recordID}
	if zoneID != "" {
		if c.zone, err = s.reach(t, zoneID, r.Method != http.MethodGet); err != nil {
			return err
		}
	}
	return route.serve(s, c)
}

// admit checks the token and its rate limit.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return Token{}, errorOf(codeBadHeaders)
	}
	t, ok := s.tokens[text]
	if !ok {
		return Token{}, errorOf(codeBadToken)
	}
	now := s.clock.Now()
	count := s.windows[text]
	if count == nil || now.Sub(count.from) >= windowLength {
		count = &window{from: now}
		s.windows[text] = count
	}
	if count.used >= s.requests {
		left := windowLength - now.Sub(count.from)
		w.Header().Set("Retry-After", strconv.Itoa(int(left.Seconds())+1))
		return Token{}, errorOf(codeThrottled)
	}
	count.used++
	return t, nil
}

// reach returns the zone if the token may read or write it. A zone that does
// not exist is answered like one of somebody else's.
func (s *Server) reach(t Token, id string, write bool) (*zone, error) {
	if len(id) > 32 || strings.ContainsFunc(id, func(c rune) bool { return !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz", c) }) {
		return nil, errorOf(codeNoZone)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zones[id]
	if z == nil || (t.Zones != nil && !slices.Contains(t.Zones, id)) || (write && t.ReadOnly) {
		return nil, errorOf(codeAuthentication)
	}
	return z, nil
}

func (s *Server) getZone(c *call) error {
	writeResult(c.w, map[string]any{"id": c.zone.id, "name": c.zone.name, "status": "active"}, nil)
	return nil
}

func (s *Server) verifyToken(c *call) error {
	writeResult(c.w, map[string]any{"id": strings.Repeat("0", 32), "status": "active"}, nil)
	return nil
}
