package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
)

// maxDeletions is how many objects one DeleteObjects may name.
const maxDeletions = 1000

type deleteRequest struct {
	XMLName xml.Name       `xml:"Delete"`
	Objects []deleteObject `xml:"Object"`
	Quiet   bool
}

type deleteObject struct {
	Key       string
	VersionId string
}

type deletedObject struct {
	Key                   string
	VersionId             string `xml:",omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionId string `xml:",omitempty"`
}

type deleteResult struct {
	XMLName xml.Name        `xml:"DeleteResult"`
	Deleted []deletedObject `xml:"Deleted"`
}

// deleteObjects deletes what the body names, each as DeleteObject would. As
// with S3 the body has to be covered by a checksum, whatever the signature says.
func (s *Server) deleteObjects(w http.ResponseWriter, r *request) *fault {
	if f := checksummed(r); f != nil {
		return f
	}
	var named deleteRequest
	if f := decodeXML(r, &named); f != nil {
		return f
	}
	if len(named.Objects) == 0 || len(named.Objects) > maxDeletions {
		return faultf("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	var result deleteResult
	for _, o := range named.Objects {
		result.Deleted = append(result.Deleted, s.erase(b, o))
	}
	s.mu.Unlock()
	if named.Quiet {
		result.Deleted = nil
	}
	writeXML(w, http.StatusOK, result)
	return nil
}

// erase removes the version named, or hides the newest behind a marker.
// Deleting what does not exist is success. The caller holds s.mu.
func (s *Server) erase(b *bucket, o deleteObject) deletedObject {
	done := deletedObject{Key: o.Key, VersionId: o.VersionId}
	switch {
	case o.VersionId != "":
		if v := b.remove(o.Key, o.VersionId); v != nil && v.marker {
			done.DeleteMarker, done.DeleteMarkerVersionId = true, v.id
		}
	case b.versioning == "":
		b.remove(o.Key, nullVersion)
	default:
		marker := &version{marker: true, modified: s.clock.Now()}
		b.add(o.Key, marker)
		done.DeleteMarker, done.DeleteMarkerVersionId = true, marker.id
	}
	return done
}

// checksummed demands a checksum of a small body, and compares it.
func checksummed(r *request) *fault {
	announced, digest, f := announcedChecksum(r.Header)
	if f != nil {
		return f
	}
	if announced.algorithm == "SHA256" {
		digest = sha256.New()
	}
	if digest == nil {
		return faultf("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxXMLBytes))
	if err != nil {
		return faultf("IncompleteBody", "the body could not be read")
	}
	digest.Write(text)
	if base64.StdEncoding.EncodeToString(digest.Sum(nil)) != announced.value {
		return faultf("BadDigest", "The %s you specified did not match the calculated checksum", announced.algorithm)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return nil
}
