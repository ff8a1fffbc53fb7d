package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/awsjson"
)

// Options configure a Server.
type Options struct {
	// Clock says when items expire and idempotency tokens are forgotten. The
	// system's, if nil.
	Clock dcm.Clock
}

// Server is an in-memory DynamoDB and an http.Handler. It is safe for
// concurrent use.
type Server struct {
	clock      dcm.Clock
	operations map[string]operation
	requests   atomic.Int64
	// spent is the capacity consumed since the start, in half units.
	spent atomic.Int64

	mu          sync.RWMutex
	tables      map[string]*table
	tokens      map[string]usedToken
	tokensSwept time.Time
}

// operation answers one request body; err is any error.
type operation func(body []byte) (answer any, err error)

// New returns a Server without tables.
func New(o Options) *Server {
	s := &Server{clock: o.Clock, tables: map[string]*table{}, tokens: map[string]usedToken{}}
	if s.clock == nil {
		s.clock = dcm.SystemClock{}
	}
	s.operations = map[string]operation{
		"CreateTable":        writing(s, s.createTable),
		"DeleteTable":        writing(s, s.deleteTable),
		"DescribeTable":      reading(s, s.describeTable),
		"ListTables":         reading(s, s.listTables),
		"UpdateTimeToLive":   writing(s, s.updateTimeToLive),
		"DescribeTimeToLive": reading(s, s.describeTimeToLive),
		"PutItem":            writing(s, s.putItem),
		"UpdateItem":         writing(s, s.updateItem),
		"DeleteItem":         writing(s, s.deleteItem),
		"BatchWriteItem":     writing(s, s.batchWriteItem),
		"TransactWriteItems": writing(s, s.transactWriteItems),
		"GetItem":            reading(s, s.getItem),
		"BatchGetItem":       reading(s, s.batchGetItem),
		"TransactGetItems":   reading(s, s.transactGetItems),
		"Query":              reading(s, s.query),
		"Scan":               reading(s, s.scan),
	}
	return s
}

// reading makes an operation that may run beside other readers.
func reading[Request any](s *Server, run func(*Request) (any, error)) operation {
	return func(body []byte) (any, error) {
		r, err := decode[Request](body)
		if err != nil {
			return nil, err
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		return run(r)
	}
}

// writing makes an operation that runs alone.
func writing[Request any](s *Server, run func(*Request) (any, error)) operation {
	return func(body []byte) (any, error) {
		r, err := decode[Request](body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return run(r)
	}
}

// decode reads a request. A parameter the engine does not know is refused:
// ignoring it could answer another question than was asked.
func decode[Request any](body []byte) (*Request, error) {
	r := new(Request)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(r)
	if err == nil {
		return r, nil
	}
	f := asFault(err)
	if f.code != codeInternal {
		return nil, f
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return nil, unsupported("The parameter " + name)
	}
	return nil, faultf(codeSerialization, "%v", err)
}

// Operations are all that is implemented.
func Operations() []string { return slices.Sorted(maps.Keys(New(Options{}).operations)) }

// Operation returns the name of the operation a request asks for, "" if it
// asks for none.
func Operation(r *http.Request) string {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	if !ok {
		return ""
	}
	return name
}

// maxRequestBytes is the largest request DynamoDB reads.
const maxRequestBytes = 16 << 20

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", fmt.Sprintf("LOCAL%047d", s.requests.Add(1)))
	answer, err := s.answer(r)
	if err != nil {
		writeFault(w, asFault(err))
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		writeFault(w, asFault(fmt.Errorf("encode an answer: %w", err)))
		return
	}
	awsjson.WriteText(w, awsjson.Version10, http.StatusOK, body)
}

func (s *Server) answer(r *http.Request) (any, error) {
	run, ok := s.operations[Operation(r)]
	switch {
	case r.Method != http.MethodPost || !ok:
		return nil, faultf(codeUnknownOperation, "the local DynamoDB does not offer %s %q", r.Method, r.Header.Get("X-Amz-Target"))
	case r.Header.Get("Authorization") == "":
		return nil, faultf(codeMissingToken, "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRequestBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, faultf("RequestEntityTooLargeException", "Request size exceeds %d bytes", maxRequestBytes)
	} else if err != nil {
		return nil, faultf(codeSerialization, "read the request: %v", err)
	}
	return run(body)
}

func writeFault(w http.ResponseWriter, f *fault) {
	awsjson.WriteText(w, awsjson.Version10, status(f.code), f.body())
}

// Tables lists the tables by name.
func (s *Server) Tables() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.tables))
}

// Dump returns every item of a table as plain Go values (numbers as decimal
// text, binaries as []byte), ordered within a partition by sort key. It is
// nil for a table that does not exist.
func (s *Server) Dump(tableName string) []map[string]any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tables[tableName]
	if !ok {
		return nil
	}
	items := make([]map[string]any, 0, t.records.Len())
	t.records.Scan(func(_ string, r record) bool {
		items = append(items, r.item.Plain())
		return true
	})
	return items
}
