package apigateway

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// route is a route with its path in segments.
type route struct {
	sam.Route
	segments []string
}

func parseRoute(r sam.Route) (route, error) {
	if !strings.HasPrefix(r.Path, "/") {
		return route{}, fmt.Errorf("route %q has no path", r.Key())
	}
	segments := strings.Split(r.Path[1:], "/")
	for i, s := range segments {
		if isGreedy(s) && i != len(segments)-1 {
			return route{}, fmt.Errorf("route %q goes on after %s", r.Key(), s)
		}
	}
	return route{Route: r, segments: segments}, nil
}

// match returns the most specific route for a request: literal segments come
// before parameters, these before a greedy one; and a route of its method
// before one of any. The path is still escaped.
func match(routes []route, method, path string) (route, map[string]string, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var best *route
	for i := range routes {
		r := &routes[i]
		if r.Method != method && r.Method != "ANY" || !r.fits(segments) {
			continue
		}
		if best == nil || r.beats(best) {
			best = r
		}
	}
	if best == nil {
		return route{}, nil, false
	}
	return *best, best.parameters(segments), true
}

func (r *route) fits(segments []string) bool {
	for i, s := range r.segments {
		if i >= len(segments) {
			return false
		}
		switch {
		case isGreedy(s):
			return segments[i] != ""
		case isParameter(s):
			if segments[i] == "" {
				return false
			}
		case s != segments[i]:
			return false
		}
	}
	return len(segments) == len(r.segments)
}

func (r *route) beats(other *route) bool {
	for i := range min(len(r.segments), len(other.segments)) {
		if a, b := rank(r.segments[i]), rank(other.segments[i]); a != b {
			return a < b
		}
	}
	return r.Method != "ANY" && other.Method == "ANY"
}

func (r *route) parameters(segments []string) map[string]string {
	parameters := map[string]string{}
	for i, s := range r.segments {
		switch {
		case isGreedy(s):
			parameters[s[1:len(s)-2]] = unescape(strings.Join(segments[i:], "/"))
		case isParameter(s):
			parameters[s[1:len(s)-1]] = unescape(segments[i])
		}
	}
	return parameters
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func isParameter(s string) bool { return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") }
func isGreedy(s string) bool    { return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "+}") }

func rank(s string) int {
	switch {
	case isGreedy(s):
		return 2
	case isParameter(s):
		return 1
	}
	return 0
}
