package s3

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"
)

type listedVersion struct {
	XMLName      xml.Name
	Key          string
	VersionId    string
	IsLatest     bool
	LastModified time.Time
	ETag         string `xml:",omitempty"`
	Size         *int64 `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
}

type listVersionsResult struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIdMarker     string
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIdMarker string `xml:",omitempty"`
	MaxKeys             int
	IsTruncated         bool
	// Entries are Version and DeleteMarker elements, in one order.
	Entries []listedVersion
}

// listVersions lists by key, and each key's versions newest first.
func (s *Server) listVersions(w http.ResponseWriter, r *request) *fault {
	most, f := limit(r, "max-keys")
	if f == nil {
		f = plain(r)
	}
	if f != nil {
		return f
	}
	q := r.URL.Query()
	body := listVersionsResult{
		Name: r.bucket, Prefix: q.Get("prefix"), KeyMarker: q.Get("key-marker"), VersionIdMarker: q.Get("version-id-marker"), MaxKeys: most,
	}
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	b.versionsPage(&body)
	s.mu.Unlock()
	writeXML(w, http.StatusOK, body)
	return nil
}

func (b *bucket) versionsPage(body *listVersionsResult) {
	for _, key := range sortedKeys(b.objects) {
		if !strings.HasPrefix(key, body.Prefix) || key < body.KeyMarker {
			continue
		}
		all := b.objects[key]
		// Past the marker: nothing of its key, or what follows its version.
		skipping := key == body.KeyMarker && body.KeyMarker != ""
		for i := len(all) - 1; i >= 0; i-- {
			v := all[i]
			if skipping {
				skipping = v.id != body.VersionIdMarker
				continue
			}
			if len(body.Entries) == body.MaxKeys {
				last := body.Entries[len(body.Entries)-1]
				body.IsTruncated, body.NextKeyMarker, body.NextVersionIdMarker = true, last.Key, last.VersionId
				return
			}
			body.Entries = append(body.Entries, v.listed(key, i == len(all)-1))
		}
	}
}

func (v *version) listed(key string, latest bool) listedVersion {
	entry := listedVersion{Key: key, VersionId: v.id, IsLatest: latest, LastModified: v.modified}
	if v.marker {
		entry.XMLName.Local = "DeleteMarker"
		return entry
	}
	entry.XMLName.Local = "Version"
	entry.ETag, entry.Size, entry.StorageClass = v.etag, &v.size, "STANDARD"
	return entry
}
