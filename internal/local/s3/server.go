package s3

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// minPartBytes is S3's limit on every part of an upload but the last.
const minPartBytes = 5 << 20

// Options configure a Server.
type Options struct {
	// Clock decides what has expired. Nil is the system's.
	Clock dcm.Clock
	// Keys are the secret access keys by access key id. A request signed with
	// any of them may do anything. AddKey adds others.
	Keys map[string]dcm.Secret
	// Buckets exist from the start, with versioning enabled.
	Buckets []string
	// Dir is where content is spooled; empty for a new temporary directory.
	Dir string
	// MinPartBytes is how small a part may be that is not the last; 0 is S3's
	// own limit of 5 MiB.
	MinPartBytes int64
}

// Server is an S3 endpoint. It is safe for concurrent use.
type Server struct {
	clock        dcm.Clock
	minPartBytes int64
	spool        *spool

	mu      sync.Mutex
	keys    map[string]Key
	buckets map[string]*bucket
}

var _ http.Handler = (*Server)(nil)

// New makes a Server. It touches no file before something is stored.
func New(o Options) *Server {
	s := &Server{
		clock:        o.Clock,
		keys:         map[string]Key{},
		minPartBytes: o.MinPartBytes,
		spool:        &spool{dir: o.Dir},
		buckets:      map[string]*bucket{},
	}
	if s.clock == nil {
		s.clock = dcm.SystemClock{}
	}
	if s.minPartBytes == 0 {
		s.minPartBytes = minPartBytes
	}
	for id, secret := range o.Keys {
		s.AddKey(id, Key{Secret: secret})
	}
	for _, name := range o.Buckets {
		s.AddBucket(name, true)
	}
	return s
}

// Close removes everything stored.
func (s *Server) Close() error { return s.spool.remove() }

// ServeHTTP verifies a request and serves it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Clients correct their clock by this header.
	w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("x-amz-request-id", rand.Text())
	w.Header().Set("Server", "dcm-local-s3")
	if err := s.serve(w, r); err != nil {
		writeFault(w, r, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) *fault {
	payload, key, err := s.authenticate(r)
	if err != nil {
		return err
	}
	operation := Operation(r)
	handle, ok := s.handlers()[operation]
	if !ok {
		return faultf("NotImplemented", "the local stack does not implement this operation")
	}
	q := &request{Request: r, payload: payload}
	q.bucket, q.key = target(r)
	if !key.may(operation, q.bucket) {
		return faultf("AccessDenied", "Access Denied")
	}
	return handle(w, q)
}

// request is a verified request. payload is the SHA-256 its signature covers,
// in lower-case hex, or unsignedPayload.
type request struct {
	*http.Request
	bucket  string
	key     string
	payload string
}

type handler func(w http.ResponseWriter, r *request) *fault

func (s *Server) handlers() map[string]handler {
	return map[string]handler{
		"ListBuckets":             s.listBuckets,
		"CreateBucket":            s.createBucket,
		"HeadBucket":              s.headBucket,
		"PutBucketVersioning":     s.putBucketVersioning,
		"GetBucketVersioning":     s.getBucketVersioning,
		"PutObject":               s.putObject,
		"GetObject":               s.getObject,
		"HeadObject":              s.getObject,
		"DeleteObject":            s.deleteObject,
		"DeleteObjects":           s.deleteObjects,
		"CreateMultipartUpload":   s.createUpload,
		"UploadPart":              s.uploadPart,
		"ListParts":               s.listParts,
		"CompleteMultipartUpload": s.completeUpload,
		"AbortMultipartUpload":    s.abortUpload,
		"ListMultipartUploads":    s.listUploads,
		"ListObjectsV2":           s.listObjects,
		"ListObjectVersions":      s.listVersions,
	}
}

// target splits a path-style URL into bucket and key.
func target(r *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket, key
}

// find returns the bucket; the caller holds s.mu.
func (s *Server) find(name string) (*bucket, *fault) {
	if b, ok := s.buckets[name]; ok {
		return b, nil
	}
	return nil, faultf("NoSuchBucket", "The specified bucket does not exist")
}

func sortedKeys[K cmp.Ordered, M ~map[K]V, V any](m M) []K { return slices.Sorted(maps.Keys(m)) }
