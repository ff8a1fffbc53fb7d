package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

type listedUpload struct {
	Key, UploadId     string
	Initiated         time.Time
	ChecksumAlgorithm string `xml:",omitempty"`
}

type listUploadsResult struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Bucket             string
	Prefix             string
	KeyMarker          string
	UploadIdMarker     string
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIdMarker string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Uploads            []listedUpload `xml:"Upload"`
}

func (s *Server) listUploads(w http.ResponseWriter, r *request) *fault {
	most, f := limit(r, "max-uploads")
	if f == nil {
		f = plain(r)
	}
	if f != nil {
		return f
	}
	q := r.URL.Query()
	body := listUploadsResult{
		Bucket: r.bucket, Prefix: q.Get("prefix"), KeyMarker: q.Get("key-marker"), UploadIdMarker: q.Get("upload-id-marker"), MaxUploads: most,
	}
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	all := b.sortedUploads()
	s.mu.Unlock()
	for _, u := range all {
		before := u.Key < body.KeyMarker || u.Key == body.KeyMarker && (body.UploadIdMarker == "" || u.UploadId <= body.UploadIdMarker)
		if !strings.HasPrefix(u.Key, body.Prefix) || body.KeyMarker != "" && before {
			continue
		}
		if len(body.Uploads) == most {
			last := body.Uploads[most-1]
			body.IsTruncated, body.NextKeyMarker, body.NextUploadIdMarker = true, last.Key, last.UploadId
			break
		}
		body.Uploads = append(body.Uploads, u)
	}
	writeXML(w, http.StatusOK, body)
	return nil
}

func (b *bucket) sortedUploads() []listedUpload {
	var all []listedUpload
	for _, u := range b.uploads {
		all = append(all, listedUpload{Key: u.key, UploadId: u.id, Initiated: u.started, ChecksumAlgorithm: u.algorithm})
	}
	slices.SortFunc(all, func(x, y listedUpload) int {
		if c := strings.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return strings.Compare(x.UploadId, y.UploadId)
	})
	return all
}
