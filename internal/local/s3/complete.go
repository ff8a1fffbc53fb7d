package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

type completeRequest struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Parts   []completedPart `xml:"Part"`
}

type completedPart struct {
	PartNumber     int
	ETag           string
	ChecksumSHA256 string
}

type completeResult struct {
	XMLName        xml.Name `xml:"CompleteMultipartUploadResult"`
	Location       string
	Bucket         string
	Key            string
	ETag           string
	ChecksumSHA256 string `xml:",omitempty"`
	ChecksumType   string `xml:",omitempty"`
}

func (s *Server) completeUpload(w http.ResponseWriter, r *request) *fault {
	if f := writeCondition(r); f != nil {
		return f
	}
	var named completeRequest
	if f := decodeXML(r, &named); f != nil {
		return f
	}
	v, f := s.assemble(w, r, named.Parts)
	if f != nil {
		return f
	}
	result := completeResult{Location: "/" + r.bucket + "/" + r.key, Bucket: r.bucket, Key: r.key, ETag: v.etag}
	if v.checksum.algorithm != "" {
		result.ChecksumSHA256, result.ChecksumType = v.checksum.value, checksumType(true)
	}
	writeXML(w, http.StatusOK, result)
	return nil
}

// assemble turns the named parts into the newest version of the key, all or
// nothing. The content is not copied: the object takes over the parts' files.
func (s *Server) assemble(w http.ResponseWriter, r *request, named []completedPart) (*version, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, f := s.uploadLocked(r)
	if f != nil {
		return nil, f
	}
	b := s.buckets[r.bucket]
	chosen, f := s.choose(u, named)
	if f != nil {
		return nil, f
	}
	v := join(u, chosen)
	v.modified = s.clock.Now()
	if f := checkWhole(r, v); f != nil {
		return nil, f
	}
	if f := absent(r, b); f != nil {
		return nil, f
	}
	for _, p := range chosen {
		delete(u.parts, p.number)
	}
	for _, p := range u.parts {
		drop([]blob{p.content.blob})
	}
	delete(b.uploads, u.id)
	b.add(r.key, v)
	setVersion(w.Header(), b.versionHeader(v))
	return v, nil
}

// choose checks the parts named against those that arrived.
func (s *Server) choose(u *upload, named []completedPart) ([]*part, *fault) {
	if len(named) == 0 {
		return nil, faultf("MalformedXML", "You must specify at least one part")
	}
	chosen := make([]*part, 0, len(named))
	for i, n := range named {
		if i > 0 && n.PartNumber <= named[i-1].PartNumber {
			return nil, faultf("InvalidPartOrder", "The list of parts was not in ascending order")
		}
		p, ok := u.parts[n.PartNumber]
		if !ok || strings.Trim(n.ETag, `"`) != strings.Trim(p.content.etag(), `"`) {
			return nil, faultf("InvalidPart", "One or more of the specified parts could not be found")
		}
		if u.algorithm != "" && n.ChecksumSHA256 == "" {
			return nil, faultf("InvalidRequest", "The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", n.PartNumber)
		}
		if n.ChecksumSHA256 != "" && n.ChecksumSHA256 != p.content.checksum.value {
			return nil, faultf("InvalidPart", "One or more of the specified parts could not be found")
		}
		if i < len(named)-1 && p.content.blob.size < s.minPartBytes {
			return nil, faultf("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func join(u *upload, parts []*part) *version {
	v := &version{headers: u.headers}
	whole := newComposite()
	for _, p := range parts {
		v.size += p.content.blob.size
		v.blobs = append(v.blobs, p.content.blob)
		whole.add(p.content.sha256)
	}
	v.etag = whole.etag()
	if u.algorithm != "" {
		v.checksum = checksum{algorithm: u.algorithm, value: whole.checksum()}
		v.composite = true
	}
	return v
}

// checkWhole holds the object to what the request says of it.
func checkWhole(r *request, v *version) *fault {
	if text := r.Header.Get("x-amz-mp-object-size"); text != "" {
		if size, err := strconv.ParseInt(text, 10, 64); err != nil || size != v.size {
			return faultf("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed")
		}
	}
	if sum := r.Header.Get("x-amz-checksum-sha256"); sum != "" && sum != v.checksum.value {
		return faultf("BadDigest", "The sha256 you specified did not match the calculated checksum")
	}
	return nil
}
