package hetzner

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// route is one operation of the API. A segment "{id}" stands for a number.
type route struct {
	method    string
	path      string
	operation string
	serve     func(*Server, *call) error
}

func routes() []route {
	return []route{
		{"POST", "/servers", "CreateServer", (*Server).createServer},
		{"GET", "/servers", "ListServers", (*Server).listServers},
		{"GET", "/servers/{id}", "GetServer", (*Server).getServer},
		{"PUT", "/servers/{id}", "UpdateServer", (*Server).updateServer},
		{"DELETE", "/servers/{id}", "DeleteServer", (*Server).deleteServer},
		{"POST", "/servers/{id}/actions/poweroff", "PoweroffServer", (*Server).poweroffServer},
		{"POST", "/servers/{id}/actions/shutdown", "ShutdownServer", (*Server).poweroffServer},
		{"POST", "/servers/{id}/actions/poweron", "PoweronServer", (*Server).poweronServer},
		{"POST", "/servers/{id}/actions/create_image", "CreateImage", (*Server).createImage},
		{"GET", "/actions/{id}", "GetAction", (*Server).getAction},
		{"GET", "/servers/actions/{id}", "GetAction", (*Server).getAction},
		{"GET", "/server_types", "ListServerTypes", (*Server).listServerTypes},
		{"GET", "/locations", "ListLocations", (*Server).listLocations},
		{"GET", "/datacenters", "ListDatacenters", (*Server).listDatacenters},
		{"GET", "/images", "ListImages", (*Server).listImages},
		{"GET", "/images/{id}", "GetImage", (*Server).getImage},
		{"DELETE", "/images/{id}", "DeleteImage", (*Server).deleteImage},
		{"GET", "/pricing", "GetPricing", (*Server).getPricing},
		{"POST", "/ssh_keys", "CreateSSHKey", (*Server).createSSHKey},
		{"GET", "/ssh_keys", "ListSSHKeys", (*Server).listSSHKeys},
		{"GET", "/ssh_keys/{id}", "GetSSHKey", (*Server).getSSHKey},
		{"DELETE", "/ssh_keys/{id}", "DeleteSSHKey", (*Server).deleteSSHKey},
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

// Operation names what the request asks for, as the API's reference calls it;
// "" if it is no operation that is simulated here.
func Operation(r *http.Request) string {
	route, _ := find(r)
	return route.operation
}

// find returns the request's route and the number in its path.
func find(r *http.Request) (route, int64) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		return route{}, 0
	}
	segments := strings.Split(path, "/")
	for _, candidate := range routes() {
		if candidate.method != r.Method {
			continue
		}
		if id, ok := match(strings.Split(candidate.path[1:], "/"), segments); ok {
			return candidate, id
		}
	}
	return route{}, 0
}

func match(pattern, segments []string) (int64, bool) {
	if len(pattern) != len(segments) {
		return 0, false
	}
	var id int64
	for i, p := range pattern {
		if p != "{id}" {
			if p != segments[i] {
				return 0, false
			}
			continue
		}
		n, err := strconv.ParseInt(segments[i], 10, 64)
		if err != nil {
			return 0, false
		}
		id = n
	}
	return id, true
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	if err := s.serve(w, r); err != nil {
		writeError(w, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	p, err := s.admit(w, r)
	if err != nil {
		return err
	}
	route, id := find(r)
	if route.serve == nil {
		return errorOf(codeNotFound)
	}
	return route.serve(s, &call{w: w, r: r, id: id, project: p})
}

// project returns the project of this name, which may be new. It needs the lock.
func (s *Server) project(name string) *project {
	p := s.projects[name]
	if p == nil {
		p = &project{
			servers: map[int64]*server{}, keys: map[int64]*sshKey{}, actions: map[int64]*action{}, snapshots: map[int64]*image{},
			budget: budget{limit: s.hourly, left: float64(s.hourly), at: s.clock.Now()},
		}
		s.projects[name] = p
	}
	return p
}

// admit checks the token and the rate limit.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*project, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t, ok := s.tokens[text]
	if !ok {
		return nil, errorOf(codeUnauthorized)
	}
	p := s.project(t.Project)
	if !p.budget.take(s.clock.Now(), w.Header()) {
		return nil, errorOf(codeRateLimited)
	}
	if t.ReadOnly && r.Method != http.MethodGet {
		return nil, errorOf(codeForbidden)
	}
	return p, nil
}
