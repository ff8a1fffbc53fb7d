// Package wire stands between the clients and the simulated services: it
// counts every call by service and operation, and makes calls fail on demand
// in the three ways a network can fail.
package wire

import (
	"net/http"
	"sync"
)

// Service is a simulated service behind the wire.
type Service struct {
	// Name is what faults and counts call it: "dynamodb".
	Name    string
	Handler http.Handler
	// Operation names the call as the real API does, "" if it is unknown.
	Operation func(*http.Request) string
	// Operations are all the names that Operation has.
	Operations []string
	// WriteError answers with an error in the service's own format.
	WriteError func(w http.ResponseWriter, r *http.Request, code string)
	// DefaultCode is the code of an injected error that names none: one that
	// the service's clients take for temporary.
	DefaultCode string
}

// Unknown is the operation of a call the service has no name for.
const Unknown = "unknown"

// Wire counts and disturbs calls. The zero value is not usable; see New.
type Wire struct {
	closed chan struct{}
	once   sync.Once

	mu sync.Mutex
	// names are the services' operations.
	names  map[string][]string
	calls  map[string]map[string]int
	faults []*fault
}

// New returns a wire that disturbs nothing.
func New() *Wire {
	return &Wire{closed: make(chan struct{}), names: map[string][]string{}, calls: map[string]map[string]int{}}
}

// Wrap puts the wire in front of a service.
func (x *Wire) Wrap(s Service) http.Handler {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.names[s.Name] = s.Operations
	x.calls[s.Name] = map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := s.Operation(r)
		if operation == "" {
			operation = Unknown
		}
		f, ok := x.arrive(s.Name, operation)
		if !ok {
			s.Handler.ServeHTTP(w, r)
			return
		}
		x.disturb(s, f, w, r)
	})
}

// Calls returns how often each operation of each service was called, faults
// included, since the start. The map is the caller's.
func (x *Wire) Calls() map[string]map[string]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make(map[string]map[string]int, len(x.calls))
	for service, operations := range x.calls {
		all[service] = make(map[string]int, len(operations))
		for operation, n := range operations {
			all[service][operation] = n
		}
	}
	return all
}

// Close lets every call go that a fault holds.
func (x *Wire) Close() { x.once.Do(func() { close(x.closed) }) }

// arrive counts a call and returns the fault that hits it, if one does.
func (x *Wire) arrive(service, operation string) (Fault, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.calls[service][operation]++
	for _, f := range x.faults {
		if f.hits(service, operation) {
			return f.Fault, true
		}
	}
	return Fault{}, false
}

// Forget starts counting anew.
func (x *Wire) Forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, operations := range x.calls {
		clear(operations)
	}
}
