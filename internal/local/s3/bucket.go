package s3

import (
	"crypto/rand"
	"encoding/xml"
	"net/http"
	"slices"
	"time"
)

const (
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
	// nullVersion is the id of what is stored while versioning is off.
	nullVersion = "null"
)

// bucket is guarded by Server.mu.
type bucket struct {
	name    string
	created time.Time
	// versioning is "" until it is first enabled.
	versioning string
	// objects holds each key's versions, oldest first; never an empty list.
	objects map[string][]*version
	uploads map[string]*upload
}

func newBucket(name, versioning string, created time.Time) *bucket {
	return &bucket{
		name: name, created: created, versioning: versioning,
		objects: map[string][]*version{}, uploads: map[string]*upload{},
	}
}

// version is one version of an object, or a delete marker.
type version struct {
	id       string
	marker   bool
	modified time.Time
	size     int64
	etag     string
	checksum checksum
	// composite says that the checksum is over the parts' checksums.
	composite bool
	// headers are those the object was stored with.
	headers http.Header
	blobs   []blob
	// readers counts open reads; the content of a version that is gone is
	// dropped by the last of them.
	readers int
	gone    bool
}

// latest returns the newest version of key, nil if there is none.
func (b *bucket) latest(key string) *version {
	if all := b.objects[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// add makes v the newest version of key and gives it its id.
func (b *bucket) add(key string, v *version) {
	if b.versioning == versioningEnabled {
		v.id = rand.Text()
	} else {
		v.id = nullVersion
		b.remove(key, nullVersion)
	}
	b.objects[key] = append(b.objects[key], v)
}

// remove takes away exactly one version, and returns it if there was one.
func (b *bucket) remove(key, id string) *version {
	all := b.objects[key]
	i := slices.IndexFunc(all, func(v *version) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	v := all[i]
	if all = slices.Delete(slices.Clone(all), i, i+1); len(all) == 0 {
		delete(b.objects, key)
	} else {
		b.objects[key] = all
	}
	v.gone = true
	if v.readers == 0 {
		drop(v.blobs)
	}
	return v
}

// versionHeader is "" in a bucket that never had versions.
func (b *bucket) versionHeader(v *version) string {
	if b.versioning == "" {
		return ""
	}
	return v.id
}

func (s *Server) listBuckets(w http.ResponseWriter, _ *request) *fault {
	type entry struct {
		Name         string
		CreationDate time.Time
	}
	var body struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Buckets []entry  `xml:"Buckets>Bucket"`
	}
	s.mu.Lock()
	for _, name := range sortedKeys(s.buckets) {
		body.Buckets = append(body.Buckets, entry{name, s.buckets[name].created})
	}
	s.mu.Unlock()
	writeXML(w, http.StatusOK, body)
	return nil
}

func (s *Server) createBucket(w http.ResponseWriter, r *request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.buckets[r.bucket]; ok {
		return faultf("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it")
	}
	s.buckets[r.bucket] = newBucket(r.bucket, "", s.clock.Now())
	w.Header().Set("Location", "/"+r.bucket)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) headBucket(w http.ResponseWriter, r *request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, f := s.find(r.bucket); f != nil {
		return f
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

type versioningConfiguration struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Status  string   `xml:",omitempty"`
}

func (s *Server) putBucketVersioning(w http.ResponseWriter, r *request) *fault {
	var c versioningConfiguration
	if f := decodeXML(r, &c); f != nil {
		return f
	}
	if c.Status != versioningEnabled && c.Status != versioningSuspended {
		return faultf("MalformedXML", "The status is neither Enabled nor Suspended")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, f := s.find(r.bucket)
	if f != nil {
		return f
	}
	b.versioning = c.Status
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) getBucketVersioning(w http.ResponseWriter, r *request) *fault {
	s.mu.Lock()
	b, f := s.find(r.bucket)
	if f != nil {
		s.mu.Unlock()
		return f
	}
	c := versioningConfiguration{Status: b.versioning}
	s.mu.Unlock()
	writeXML(w, http.StatusOK, c)
	return nil
}
