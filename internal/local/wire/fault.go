package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Mode is how a call fails.
type Mode string

// The modes.
const (
	// ModeError: the service refuses the call with Code, and does nothing.
	ModeError Mode = "error"
	// ModeTimeout: nothing is done and nothing is answered until the client
	// gives up.
	ModeTimeout Mode = "timeout"
	// ModeLostAnswer: the service does what was asked, and the connection
	// drops before the client hears of it.
	ModeLostAnswer Mode = "lost_answer"
	// ModeTruncated: the service does what was asked, and half of its answer
	// arrives as if it were all.
	ModeTruncated Mode = "truncated"
)

// Fault makes calls fail.
type Fault struct {
	Service string `json:"service"`
	// Operation is one of the service's; "" or "*" for all.
	Operation string `json:"operation"`
	Mode      Mode   `json:"mode"`
	// Code is the error's, for ModeError; "" for the service's default.
	Code string `json:"code,omitempty"`
	// After is how many matching calls go well first.
	After int `json:"after,omitempty"`
	// Count is how many calls fail then; 0 for all until the faults are
	// cleared.
	Count int `json:"count,omitempty"`
	// Share is how many of these calls fail, at random: 0.02 for one in fifty; 0
	// for all.
	Share float64 `json:"share,omitempty"`
}

type fault struct {
	Fault
	seen int
}

func (f *fault) hits(service, operation string) bool {
	if f.Service != service || f.Operation != "" && f.Operation != "*" && f.Operation != operation {
		return false
	}
	if f.Count > 0 && f.seen >= f.After+f.Count {
		return false
	}
	if f.Share > 0 && rand.Float64() >= f.Share {
		return false
	}
	f.seen++
	return f.seen > f.After
}

// Inject adds a fault. It fails if the fault could never hit.
func (x *Wire) Inject(f Fault) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	operations, known := x.names[f.Service]
	if !known {
		return fmt.Errorf("service: %q is not simulated", f.Service)
	}
	if f.Operation != "" && f.Operation != "*" && !slices.Contains(operations, f.Operation) {
		return fmt.Errorf("operation: %s has no %q; it has %s", f.Service, f.Operation, strings.Join(operations, ", "))
	}
	if !slices.Contains([]Mode{ModeError, ModeTimeout, ModeLostAnswer, ModeTruncated}, f.Mode) {
		return fmt.Errorf("mode: %q is none of error, timeout, lost_answer, truncated", f.Mode)
	}
	if f.After < 0 || f.Count < 0 || f.Share < 0 || f.Share > 1 {
		return fmt.Errorf("after and count are not negative, share is from 0 to 1")
	}
	x.faults = append(x.faults, &fault{Fault: f})
	return nil
}

// Clear removes every fault.
func (x *Wire) Clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = nil
}

func (x *Wire) disturb(s Service, f Fault, w http.ResponseWriter, r *http.Request) {
	switch f.Mode {
	case ModeError:
		code := f.Code
		if code == "" {
			code = s.DefaultCode
		}
		s.WriteError(w, r, code)
		return
	case ModeTimeout:
		// The server notices that the client has left only once it has read
		// the whole request.
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-x.closed:
		}
	case ModeTruncated:
		whole := &kept{lost: lost{header: w.Header()}, status: http.StatusOK}
		s.Handler.ServeHTTP(whole, r)
		w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()/2))
		w.WriteHeader(whole.status)
		_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2]) // a client that left gets nothing
		return
	case ModeLostAnswer:
		s.Handler.ServeHTTP(&lost{header: http.Header{}}, r)
	}
	// net/http drops the connection on this panic, and logs nothing.
	panic(http.ErrAbortHandler)
}

// kept is a response that goes nowhere yet.
type kept struct {
	lost
	status int
	body   bytes.Buffer
}

func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
func (k *kept) WriteHeader(status int)      { k.status = status }

// lost is a response that goes nowhere.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}
