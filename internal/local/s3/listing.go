package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// pageLimit is the longest page of any listing.
const pageLimit = 1000

// limit reads a page's size from a query parameter.
func limit(r *request, name string) (int, *fault) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return pageLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, faultf("InvalidArgument", "Provided %s not an integer or within integer range", name)
	}
	return min(n, pageLimit), nil
}

// plain refuses the ways of listing that we do not render.
func plain(r *request) *fault {
	for _, name := range []string{"delimiter", "encoding-type"} {
		if r.URL.Query().Get(name) != "" {
			return faultf("NotImplemented", "the local stack does not list with %s", name)
		}
	}
	return nil
}

type listedPart struct {
	PartNumber     int
	LastModified   time.Time
	ETag           string
	Size           int64
	ChecksumSHA256 string `xml:",omitempty"`
}

type listPartsResult struct {
	XMLName               xml.Name `xml:"ListPartsResult"`
	Bucket, Key, UploadId string
	PartNumberMarker      int
	NextPartNumberMarker  int `xml:",omitempty"`
	MaxParts              int
	IsTruncated           bool
	ChecksumAlgorithm     string       `xml:",omitempty"`
	ChecksumType          string       `xml:",omitempty"`
	Parts                 []listedPart `xml:"Part"`
}

func (s *Server) listParts(w http.ResponseWriter, r *request) *fault {
	most, f := limit(r, "max-parts")
	if f != nil {
		return f
	}
	after, err := strconv.Atoi(r.URL.Query().Get("part-number-marker"))
	if err != nil {
		after = 0
	}
	s.mu.Lock()
	u, f := s.uploadLocked(r)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	body := listPartsResult{
		Bucket: r.bucket, Key: r.key, UploadId: u.id, PartNumberMarker: after, MaxParts: most, ChecksumAlgorithm: u.algorithm,
	}
	if u.algorithm != "" {
		body.ChecksumType = checksumType(true)
	}
	body.Parts, body.IsTruncated = u.page(after, most)
	s.mu.Unlock()
	if body.IsTruncated {
		body.NextPartNumberMarker = body.Parts[len(body.Parts)-1].PartNumber
	}
	writeXML(w, http.StatusOK, body)
	return nil
}

func (u *upload) page(after, most int) (page []listedPart, more bool) {
	for _, number := range sortedKeys(u.parts) {
		if number <= after {
			continue
		}
		if len(page) == most {
			return page, true
		}
		p := u.parts[number]
		entry := listedPart{PartNumber: number, LastModified: p.modified, ETag: p.content.etag(), Size: p.content.blob.size}
		if u.algorithm != "" {
			entry.ChecksumSHA256 = p.content.checksum.value
		}
		page = append(page, entry)
	}
	return page, false
}
