package kms

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/awsjson"
)

const maxBodyBytes = 1 << 20

// Spec says what a key is for.
type Spec string

// The specs.
const (
	Symmetric Spec = "SYMMETRIC_DEFAULT"
	ECCP256   Spec = "ECC_NIST_P256"
)

// Options configure a Server.
type Options struct {
	// Clock dates keys. Nil is the system's.
	Clock dcm.Clock
	// Keys exist from the start, by id. An id may be any text; "alias/…" too.
	Keys map[string]Spec
	// Random makes keys and nonces. Nil is crypto/rand.
	Random io.Reader
}

// Server is a KMS endpoint. It is safe for concurrent use.
type Server struct {
	clock  dcm.Clock
	random io.Reader

	mu   sync.Mutex
	keys map[string]*key
}

var _ http.Handler = (*Server)(nil)

// New makes a Server with the keys asked for.
func New(o Options) *Server {
	s := &Server{clock: o.Clock, random: o.Random, keys: map[string]*key{}}
	if s.clock == nil {
		s.clock = dcm.SystemClock{}
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	for id, spec := range o.Keys {
		k, err := s.newKey(id, spec)
		if err != nil {
			// Only an unknown spec, written in the program, ends here.
			panic(err)
		}
		s.keys[id] = k
	}
	return s
}

// Keys lists the ids of the keys.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.keys))
}

const targetPrefix = "TrentService."

// Operations are all that is implemented.
func Operations() []string {
	return []string{"CreateKey", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GetPublicKey", "Sign"}
}

// Operation returns the name KMS's API gives to what r asks for, such as
// Sign, or "" if it is none.
func Operation(r *http.Request) string {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if !ok {
		return ""
	}
	return name
}

// ServeHTTP serves one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		writeFault(w, faultf("ValidationException", "the body is too large"))
		return
	}
	answer, f := s.call(Operation(r), body)
	if f != nil {
		writeFault(w, f)
		return
	}
	awsjson.Write(w, awsjson.Version11, http.StatusOK, answer)
}

func (s *Server) call(operation string, body []byte) (any, *fault) {
	switch operation {
	case "GenerateDataKey":
		return decodeAnd(body, s.generateDataKey)
	case "Encrypt":
		return decodeAnd(body, s.encrypt)
	case "Decrypt":
		return decodeAnd(body, s.decrypt)
	case "Sign":
		return decodeAnd(body, s.sign)
	case "GetPublicKey":
		return decodeAnd(body, s.getPublicKey)
	case "CreateKey":
		return decodeAnd(body, s.createKey)
	case "DescribeKey":
		return decodeAnd(body, s.describeKey)
	default:
		return nil, faultf("UnknownOperationException", "the local stack does not implement %q", operation)
	}
}

// decodeAnd refuses fields it does not know: to ignore one would be to answer
// something else than what was asked.
func decodeAnd[In, Out any](body []byte, call func(In) (Out, *fault)) (any, *fault) {
	var in In
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, faultf("ValidationException", "the local stack can't read the request: %v", err)
	}
	return call(in)
}

// fault is an error as KMS answers it.
type fault struct{ code, message string }

func faultf(code, format string, args ...any) *fault {
	return &fault{code: code, message: fmt.Sprintf(format, args...)}
}

func (f *fault) status() int {
	switch f.code {
	case "KMSInternalException", "InternalFailure":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "KeyUnavailableException", "DependencyTimeoutException":
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

func writeFault(w http.ResponseWriter, f *fault) {
	awsjson.WriteFault(w, awsjson.Version11, f.status(), f.code, f.message)
}

// WriteError answers with a KMS error of this code, as the real service would
// render it. An empty code is KMSInternalException.
func WriteError(w http.ResponseWriter, _ *http.Request, code string) {
	if code == "" {
		code = "KMSInternalException"
	}
	writeFault(w, faultf(code, "injected by the local stack"))
}
