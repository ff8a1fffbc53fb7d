package s3

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

func (s *Server) putObject(w http.ResponseWriter, r *request) *fault {
	if f := writeCondition(r); f != nil {
		return f
	}
	c, f := s.receive(r)
	if f != nil {
		return f
	}
	v := &version{
		modified: s.clock.Now(), size: c.blob.size, etag: c.etag(), checksum: c.checksum,
		headers: storedHeaders(r.Header), blobs: []blob{c.blob},
	}
	if f := s.store(w, r, v); f != nil {
		drop(v.blobs)
		return f
	}
	w.Header().Set("ETag", v.etag)
	setChecksum(w.Header(), v)
	w.WriteHeader(http.StatusOK)
	return nil
}

// store makes v the newest version of r's key, if r's condition holds.
func (s *Server) store(w http.ResponseWriter, r *request, v *version) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, f := s.find(r.bucket)
	if f != nil {
		return f
	}
	if f := absent(r, b); f != nil {
		return f
	}
	b.add(r.key, v)
	setVersion(w.Header(), b.versionHeader(v))
	return nil
}

// writeCondition refuses the conditions on writes that we do not judge.
func writeCondition(r *request) *fault {
	if r.Header.Get("If-Match") != "" {
		return faultf("NotImplemented", "the local stack does not judge If-Match on writes")
	}
	if v := r.Header.Get("If-None-Match"); v != "" && v != "*" {
		return faultf("NotImplemented", "If-None-Match must be * on writes")
	}
	return nil
}

// absent judges If-None-Match: *; the caller holds s.mu.
func absent(r *request, b *bucket) *fault {
	if r.Header.Get("If-None-Match") == "" {
		return nil
	}
	if v := b.latest(r.key); v != nil && !v.marker {
		return faultf("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	}
	return nil
}

// storedHeaders are the headers that come back when an object is read.
func storedHeaders(h http.Header) http.Header {
	stored := http.Header{}
	for name, values := range h {
		switch name {
		case "Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires":
			stored[name] = values
		default:
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				stored[name] = values
			}
		}
	}
	if stored.Get("Content-Type") == "" {
		stored.Set("Content-Type", "binary/octet-stream")
	}
	return stored
}

// getObject serves GET and HEAD.
func (s *Server) getObject(w http.ResponseWriter, r *request) *fault {
	v, versionID, f := s.open(w, r)
	if f != nil {
		return f
	}
	defer s.release(v)
	for name, values := range v.headers {
		w.Header()[name] = values
	}
	w.Header().Set("ETag", v.etag)
	setVersion(w.Header(), versionID)
	if strings.EqualFold(r.Header.Get("x-amz-checksum-mode"), "ENABLED") {
		setChecksum(w.Header(), v)
	}
	body := newBlobReader(v.blobs)
	defer body.Close()
	http.ServeContent(w, r.Request, "", v.modified, body)
	return nil
}

// open finds the version that r asks for and keeps its content until release.
func (s *Server) open(w http.ResponseWriter, r *request) (*version, string, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, f := s.find(r.bucket)
	if f != nil {
		return nil, "", f
	}
	id := r.URL.Query().Get("versionId")
	v := b.latest(r.key)
	if id != "" {
		v = b.version(r.key, id)
	}
	switch {
	case v == nil && id != "":
		return nil, "", faultf("NoSuchVersion", "The specified version does not exist")
	case v == nil:
		return nil, "", faultf("NoSuchKey", "The specified key does not exist")
	case v.marker:
		w.Header().Set("x-amz-delete-marker", "true")
		setVersion(w.Header(), b.versionHeader(v))
		if id != "" {
			return nil, "", faultf("MethodNotAllowed", "The specified method is not allowed against this resource")
		}
		return nil, "", faultf("NoSuchKey", "The specified key does not exist")
	}
	v.readers++
	return v, b.versionHeader(v), nil
}

func (s *Server) release(v *version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.readers--; v.readers == 0 && v.gone {
		drop(v.blobs)
	}
}

func (b *bucket) version(key, id string) *version {
	for _, v := range b.objects[key] {
		if v.id == id {
			return v
		}
	}
	return nil
}

func (s *Server) deleteObject(w http.ResponseWriter, r *request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, f := s.find(r.bucket)
	if f != nil {
		return f
	}
	done := s.erase(b, deleteObject{Key: r.key, VersionId: r.URL.Query().Get("versionId")})
	if done.DeleteMarker {
		w.Header().Set("x-amz-delete-marker", "true")
	}
	setVersion(w.Header(), cmp.Or(done.VersionId, done.DeleteMarkerVersionId))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func setVersion(h http.Header, id string) {
	if id != "" {
		h.Set("x-amz-version-id", id)
	}
}

func setChecksum(h http.Header, v *version) {
	if v.checksum.algorithm == "" {
		return
	}
	h.Set("x-amz-checksum-"+v.checksum.algorithm, v.checksum.value)
	h.Set("x-amz-checksum-type", checksumType(v.composite))
}

func checksumType(composite bool) string {
	if composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// Put stores an object without a request, for whoever sets the stack up.
// Errors: the bucket does not exist; body or disk failed.
func (s *Server) Put(bucket, key, contentType string, body io.Reader) error {
	file, err := s.spool.create()
	if err != nil {
		return err
	}
	c, err := hashInto(file, body, maxBuffer)
	if err == nil {
		v := &version{
			modified: s.clock.Now(), size: c.blob.size, etag: c.etag(),
			headers: http.Header{"Content-Type": {contentType}}, blobs: []blob{c.blob},
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if b, ok := s.buckets[bucket]; ok {
			b.add(key, v)
			return nil
		}
		err = errors.New("no bucket " + bucket)
	}
	_ = os.Remove(file.Name())
	return err
}
