package s3

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	maxParts    = 10_000
	maxXMLBytes = 4 << 20
)

// upload is a multipart upload under way; guarded by Server.mu.
type upload struct {
	id        string
	key       string
	started   time.Time
	algorithm string // of the parts' checksums; "" for none
	headers   http.Header
	parts     map[int]*part
}

type part struct {
	number   int
	modified time.Time
	content  content
}

func (s *Server) createUpload(w http.ResponseWriter, r *request) *fault {
	algorithm := r.Header.Get("x-amz-checksum-algorithm")
	if algorithm != "" && algorithm != "SHA256" {
		return faultf("NotImplemented", "the local stack makes composite checksums of SHA256 only")
	}
	if t := r.Header.Get("x-amz-checksum-type"); t != "" && t != checksumType(true) {
		return faultf("InvalidRequest", "SHA256 allows only composite checksums")
	}
	u := &upload{
		id: rand.Text(), key: r.key, started: s.clock.Now(), algorithm: algorithm,
		headers: storedHeaders(r.Header), parts: map[int]*part{},
	}
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	b.uploads[u.id] = u
	s.mu.Unlock()
	if algorithm != "" {
		w.Header().Set("x-amz-checksum-algorithm", algorithm)
		w.Header().Set("x-amz-checksum-type", checksumType(true))
	}
	writeXML(w, http.StatusOK, struct {
		XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string
	}{Bucket: r.bucket, Key: r.key, UploadId: u.id})
	return nil
}

func (s *Server) uploadPart(w http.ResponseWriter, r *request) *fault {
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil || number < 1 || number > maxParts {
		return faultf("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	if _, f := s.uploadOf(r); f != nil {
		return f
	}
	c, f := s.receive(r)
	if f != nil {
		return f
	}
	if f := s.keepPart(r, &part{number: number, modified: s.clock.Now(), content: c}); f != nil {
		drop([]blob{c.blob})
		return f
	}
	w.Header().Set("ETag", c.etag())
	if c.checksum.algorithm != "" {
		w.Header().Set("x-amz-checksum-"+c.checksum.algorithm, c.checksum.value)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// keepPart adds a part, in place of an earlier one of its number.
func (s *Server) keepPart(r *request, p *part) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, f := s.uploadLocked(r)
	if f != nil {
		return f
	}
	if u.algorithm != "" && p.content.checksum.algorithm != u.algorithm {
		return faultf("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s", u.algorithm)
	}
	if old, ok := u.parts[p.number]; ok {
		drop([]blob{old.content.blob})
	}
	u.parts[p.number] = p
	return nil
}

func (s *Server) uploadOf(r *request) (*upload, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploadLocked(r)
}

func (s *Server) uploadLocked(r *request) (*upload, *fault) {
	b, f := s.find(r.bucket)
	if f != nil {
		return nil, f
	}
	u, ok := b.uploads[r.URL.Query().Get("uploadId")]
	if !ok || u.key != r.key {
		return nil, faultf("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	}
	return u, nil
}

func (s *Server) abortUpload(w http.ResponseWriter, r *request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, f := s.uploadLocked(r)
	if f != nil {
		return f
	}
	delete(s.buckets[r.bucket].uploads, u.id)
	for _, p := range u.parts {
		drop([]blob{p.content.blob})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decodeXML reads a small body, and holds it to the hash that was signed.
func decodeXML(r *request, into any) *fault {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxXMLBytes))
	if err != nil {
		return faultf("IncompleteBody", "the body could not be read")
	}
	sum := sha256.Sum256(text)
	if r.payload != unsignedPayload && r.payload != hex.EncodeToString(sum[:]) {
		return faultf("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed")
	}
	if err := xml.Unmarshal(text, into); err != nil {
		return faultf("MalformedXML", "The XML you provided was not well-formed")
	}
	return nil
}

// composite digests the parts' digests: an ETag or a checksum of the whole.
type composite struct {
	hash.Hash
	parts int
}

func newComposite() *composite { return &composite{Hash: sha256.New()} }

func (c *composite) add(sum [sha256.Size]byte) {
	c.Write(sum[:])
	c.parts++
}

func (c *composite) etag() string {
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(c.Sum(nil)[:16]), c.parts)
}

func (c *composite) checksum() string {
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(c.Sum(nil)), c.parts)
}
