package local

import (
	"cmp"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
)

// What tenants bring along exists at the same stand-ins as the platform's.
// These methods make it, and take it away, for tests.

// AddHetznerSSHKey gives a project a key; RemoveHetznerSSHKey takes it away.
func (s *Stack) AddHetznerSSHKey(project string, id int64, name string) {
	s.services.hetzner.AddSSHKey(project, id, name)
}

// RemoveHetznerSSHKey is the reverse of AddHetznerSSHKey.
func (s *Stack) RemoveHetznerSSHKey(project string, id int64) {
	s.services.hetzner.RemoveSSHKey(project, id)
}

// AddHetznerToken makes a token work in a project; RevokeHetznerToken ends it.
func (s *Stack) AddHetznerToken(text string, t hetzner.Token) { s.services.hetzner.AddToken(text, t) }

// RevokeHetznerToken makes a token work no more.
func (s *Stack) RevokeHetznerToken(text string) { s.services.hetzner.RemoveToken(text) }

// LimitHetzner makes a project's rate limit so many requests an hour, of which
// some are left; "" for the platform's project.
func (s *Stack) LimitHetzner(project string, hourly, left int) {
	s.services.hetzner.SetLimit(cmp.Or(project, hetznerToken), hourly, left)
}

// HetznerLeft is how many requests a project may make now, and how many were
// refused for want of them; "" for the platform's project.
func (s *Stack) HetznerLeft(project string) (left, refused int) {
	return s.services.hetzner.Left(cmp.Or(project, hetznerToken))
}

// AddSnapshot gives the platform's project a snapshot of a server of this type,
// and returns its number; RemoveSnapshot deletes it.
func (s *Stack) AddSnapshot(serverType string) int64 {
	return s.services.hetzner.AddSnapshot(hetznerToken, serverType, nil)
}

// RemoveSnapshot is the reverse of AddSnapshot.
func (s *Stack) RemoveSnapshot(id int64) { s.services.hetzner.RemoveSnapshot(hetznerToken, id) }

// RecordImages records the prepared images, as make image does.
func (s *Stack) RecordImages(text string) {
	s.services.ssm.Put(dcm.ImageRecordParameter("local"), dcm.NewSecret(text))
}

// AddZone makes a DNS zone of this id and name.
func (s *Stack) AddZone(id, name string) { s.services.cloudflare.AddZone(id, name) }

// AddCloudflareToken makes a token work for its zones.
func (s *Stack) AddCloudflareToken(text string, t cloudflare.Token) {
	s.services.cloudflare.AddToken(text, t)
}

// RevokeCloudflareToken makes a token work no more.
func (s *Stack) RevokeCloudflareToken(text string) { s.services.cloudflare.RemoveToken(text) }

// AddBucket makes a bucket and an access key for it alone, denied the named
// operations.
func (s *Stack) AddBucket(name string, versioned bool, keyID string, secret dcm.Secret, denied ...string) {
	s.services.s3.AddBucket(name, versioned)
	s.services.s3.AddKey(keyID, s3.Key{Secret: secret, Buckets: []string{name}, Denied: denied})
}

// RevokeAccessKey makes an access key work no more.
func (s *Stack) RevokeAccessKey(keyID string) { s.services.s3.RemoveKey(keyID) }

// BucketKeys lists the keys of a bucket's objects.
func (s *Stack) BucketKeys(bucket string) []string {
	keys := []string{}
	for _, o := range s.services.s3.Objects() {
		if o.Bucket == bucket {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// BucketVersions lists every version of every object of a bucket.
func (s *Stack) BucketVersions(bucket string) []s3.Object { return s.services.s3.Versions(bucket) }
