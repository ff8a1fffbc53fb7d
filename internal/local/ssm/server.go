// Package ssm is the local stack's stand-in for the SSM Parameter Store:
// reading and writing parameters, over SSM's own JSON protocol, for real SDK clients.
package ssm

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

// Options configure a Server.
type Options struct {
	// Clock dates parameters. Nil is the system's.
	Clock dcm.Clock
	// Parameters are the SecureStrings there are at first, by name.
	Parameters map[string]dcm.Secret
}

// Server is an SSM endpoint. It is safe for concurrent use.
type Server struct {
	modified float64

	mu         sync.Mutex
	parameters map[string]dcm.Secret
}

var _ http.Handler = (*Server)(nil)

// New makes a Server with the parameters given.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = dcm.SystemClock{}
	}
	s := &Server{modified: float64(o.Clock.Now().Unix()), parameters: map[string]dcm.Secret{}}
	maps.Copy(s.parameters, o.Parameters)
	return s
}

// Parameters lists the names of the parameters.
func (s *Server) Parameters() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.parameters))
}

// Put writes a parameter.
func (s *Server) Put(name string, value dcm.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parameters[name] = value
}

// Operations are all that is implemented.
func Operations() []string { return []string{"GetParameter", "GetParameters", "PutParameter"} }

// Operation returns the name SSM's API gives to what r asks for, such as
// GetParameter, or "" if it is none.
func Operation(r *http.Request) string {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	if !ok {
		return ""
	}
	return name
}

// ServeHTTP serves one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", rand.Text())
	var in struct {
		Name           string
		Names          []string
		WithDecryption bool

		Value, Type, Description string
		Overwrite                bool
	}
	d := json.NewDecoder(io.LimitReader(r.Body, maxBodyBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		writeFault(w, "ValidationException", fmt.Sprintf("the local stack can't read the request: %v", err))
		return
	}
	switch Operation(r) {
	case "GetParameter":
		p, ok := s.parameter(in.Name, in.WithDecryption)
		if !ok {
			writeFault(w, "ParameterNotFound", "")
			return
		}
		awsjson.Write(w, awsjson.Version11, http.StatusOK, map[string]parameter{"Parameter": p})
	case "PutParameter":
		s.putParameter(w, in.Name, in.Value, in.Overwrite)
	case "GetParameters":
		s.getParameters(w, in.Names, in.WithDecryption)
	default:
		writeFault(w, "UnknownOperationException", fmt.Sprintf("the local stack does not implement %q", Operation(r)))
	}
}

// maxValue is SSM's limit on a standard parameter, in bytes.
const maxValue = 4096

func (s *Server) putParameter(w http.ResponseWriter, name, value string, overwrite bool) {
	if _, taken := s.parameter(name, false); taken && !overwrite {
		writeFault(w, "ParameterAlreadyExists", "the parameter exists, and is not to be overwritten")
		return
	}
	if name == "" || value == "" || len(value) > maxValue {
		writeFault(w, "ValidationException", "a parameter has a name, and a value of at most 4096 characters")
		return
	}
	s.Put(name, dcm.NewSecret(value))
	awsjson.Write(w, awsjson.Version11, http.StatusOK, map[string]any{"Version": 1, "Tier": "Standard"})
}

type parameter struct {
	Name             string
	Type             string
	Value            string
	Version          int
	ARN              string
	DataType         string
	LastModifiedDate float64
}

// parameter reads one. Without decryption a SecureString shows no value.
func (s *Server) parameter(name string, decrypt bool) (parameter, bool) {
	s.mu.Lock()
	secret, ok := s.parameters[name]
	s.mu.Unlock()
	if !ok {
		return parameter{}, false
	}
	p := parameter{
		Name: name, Type: "SecureString", Value: "encrypted", Version: 1, DataType: "text", LastModifiedDate: s.modified,
		ARN: "arn:aws:ssm:eu-central-1:000000000000:parameter/" + strings.TrimPrefix(name, "/"),
	}
	if decrypt {
		p.Value = secret.Reveal()
	}
	return p, true
}

// maxNames is SSM's limit on one GetParameters.
const maxNames = 10

func (s *Server) getParameters(w http.ResponseWriter, names []string, decrypt bool) {
	if len(names) < 1 || len(names) > maxNames {
		writeFault(w, "ValidationException", fmt.Sprintf("between 1 and %d names are asked for at once", maxNames))
		return
	}
	out := struct {
		Parameters        []parameter
		InvalidParameters []string
	}{[]parameter{}, []string{}}
	for _, name := range names {
		if p, ok := s.parameter(name, decrypt); ok {
			out.Parameters = append(out.Parameters, p)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	awsjson.Write(w, awsjson.Version11, http.StatusOK, out)
}

// WriteError answers with an SSM error of this code, as the real service
// would render it. An empty code is InternalServerError.
func WriteError(w http.ResponseWriter, _ *http.Request, code string) {
	if code == "" {
		code = "InternalServerError"
	}
	writeFault(w, code, "injected by the local stack")
}

func writeFault(w http.ResponseWriter, code, message string) {
	status := http.StatusBadRequest
	switch code {
	case "InternalServerError", "InternalFailure":
		status = http.StatusInternalServerError
	case "ServiceUnavailable":
		status = http.StatusServiceUnavailable
	}
	awsjson.WriteFault(w, awsjson.Version11, status, code, message)
}
