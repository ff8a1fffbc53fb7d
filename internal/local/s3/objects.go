package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strings"
	"time"
)

type listedObject struct {
	Key          string
	LastModified time.Time
	ETag         string
	Size         int64
	StorageClass string
}

type listObjectsResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	KeyCount              int
	MaxKeys               int
	IsTruncated           bool
	ContinuationToken     string         `xml:",omitempty"`
	NextContinuationToken string         `xml:",omitempty"`
	StartAfter            string         `xml:",omitempty"`
	Contents              []listedObject `xml:"Contents"`
}

func (s *Server) listObjects(w http.ResponseWriter, r *request) *fault {
	most, f := limit(r, "max-keys")
	if f == nil {
		f = plain(r)
	}
	if f != nil {
		return f
	}
	q := r.URL.Query()
	body := listObjectsResult{
		Name: r.bucket, Prefix: q.Get("prefix"), MaxKeys: most, StartAfter: q.Get("start-after"), ContinuationToken: q.Get("continuation-token"),
	}
	after := body.StartAfter
	if body.ContinuationToken != "" {
		token, err := base64.URLEncoding.DecodeString(body.ContinuationToken)
		if err != nil {
			return faultf("InvalidArgument", "The continuation token provided is incorrect")
		}
		after = string(token)
	}
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	body.Contents, body.IsTruncated = b.page(body.Prefix, after, most)
	s.mu.Unlock()
	if body.KeyCount = len(body.Contents); body.IsTruncated {
		body.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(body.Contents[most-1].Key))
	}
	writeXML(w, http.StatusOK, body)
	return nil
}

func (b *bucket) page(prefix, after string, most int) (page []listedObject, more bool) {
	for _, key := range sortedKeys(b.objects) {
		v := b.latest(key)
		if key <= after || !strings.HasPrefix(key, prefix) || v.marker {
			continue
		}
		if len(page) == most {
			return page, true
		}
		page = append(page, listedObject{Key: key, LastModified: v.modified, ETag: v.etag, Size: v.size, StorageClass: "STANDARD"})
	}
	return page, false
}
