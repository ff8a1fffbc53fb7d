package s3

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Key says what an access key opens.
type Key struct {
	Secret dcm.Secret
	// Buckets lists those that it reaches; nil for all, and for making more.
	Buckets []string
	// Denied lists the operations that it may not do, by the names that
	// Operation returns.
	Denied []string
}

// AddKey makes an access key work, in place of another of its id.
func (s *Server) AddKey(id string, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = k
}

// RemoveKey makes an access key work no more.
func (s *Server) RemoveKey(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

// AddBucket makes a bucket, with versions or without, unless it exists.
func (s *Server) AddBucket(name string, versioned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versioning := ""
	if versioned {
		versioning = versioningEnabled
	}
	if s.buckets[name] == nil {
		s.buckets[name] = newBucket(name, versioning, s.clock.Now())
	}
}

func (s *Server) keyOf(id string) (Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[id]
	return k, ok
}

func (k Key) may(operation, bucket string) bool {
	return !slices.Contains(k.Denied, operation) && (k.Buckets == nil || slices.Contains(k.Buckets, bucket))
}
