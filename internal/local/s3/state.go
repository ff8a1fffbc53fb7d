package s3

// Object is the newest version of a key, unless it was deleted.
type Object struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	VersionID string `json:"versionId"`
	Size      int64  `json:"size"`
}

// Upload is a multipart upload that was neither completed nor aborted. Size
// is of the parts that arrived.
type Upload struct {
	Bucket   string `json:"bucket"`
	Key      string `json:"key"`
	UploadID string `json:"uploadId"`
	Parts    int    `json:"parts"`
	Size     int64  `json:"size"`
}

// Objects lists what a reader of each bucket sees, by bucket and key.
func (s *Server) Objects() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := []Object{}
	for _, name := range sortedKeys(s.buckets) {
		b := s.buckets[name]
		for _, key := range sortedKeys(b.objects) {
			if v := b.latest(key); !v.marker {
				objects = append(objects, Object{Bucket: name, Key: key, VersionID: v.id, Size: v.size})
			}
		}
	}
	return objects
}

// Uploads lists the uploads under way, by bucket and key.
func (s *Server) Uploads() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	uploads := []Upload{}
	for _, name := range sortedKeys(s.buckets) {
		b := s.buckets[name]
		for _, listed := range b.sortedUploads() {
			u := Upload{Bucket: name, Key: listed.Key, UploadID: listed.UploadId}
			for _, p := range b.uploads[listed.UploadId].parts {
				u.Parts++
				u.Size += p.content.blob.size
			}
			uploads = append(uploads, u)
		}
	}
	return uploads
}

// Versions lists every version of every key of a bucket, delete markers
// included, by key and oldest first.
func (s *Server) Versions(bucket string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := []Object{}
	b := s.buckets[bucket]
	if b == nil {
		return versions
	}
	for _, key := range sortedKeys(b.objects) {
		for _, v := range b.objects[key] {
			versions = append(versions, Object{Bucket: bucket, Key: key, VersionID: v.id, Size: v.size})
		}
	}
	return versions
}
