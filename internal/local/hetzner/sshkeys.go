package hetzner

import (
	"crypto/md5" // #nosec G501 -- the API names keys by this fingerprint
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

type sshKey struct {
	id                           int64
	name, fingerprint, publicKey string
	labels                       map[string]string
	created                      time.Time
}

func (k *sshKey) body() map[string]any {
	return map[string]any{
		"id": k.id, "name": k.name, "fingerprint": k.fingerprint, "public_key": k.publicKey,
		"labels": maps.Clone(k.labels), "created": k.created.Format(time.RFC3339),
	}
}

// fingerprint returns the MD5 fingerprint of an OpenSSH public key.
func fingerprint(publicKey string) (string, bool) {
	fields := strings.Fields(publicKey)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "ssh-") && !strings.HasPrefix(fields[0], "ecdsa-") {
		return "", false
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", false
	}
	sum := md5.Sum(blob) // #nosec G401 -- see the import
	return strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":"), true
}

// AddSSHKey gives a project a key of this number, as its owner would in the
// console.
func (s *Server) AddSSHKey(projectName string, id int64, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.project(projectName).keys[id] = &sshKey{id: id, name: name, fingerprint: name, created: s.clock.Now().UTC()}
}

// RemoveSSHKey takes it away again.
func (s *Server) RemoveSSHKey(projectName string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.project(projectName).keys, id)
}

// findKeys finds the project's keys of these numbers or names.
func (p *project) findKeys(named []idOrName) ([]int64, error) {
	var found []int64
	for _, name := range named {
		n := len(found)
		for _, k := range p.keys {
			if k.name == string(name) || idText(k.id) == string(name) {
				found = append(found, k.id)
				break
			}
		}
		if len(found) == n {
			return nil, invalidField("ssh_keys", "SSH key not found")
		}
	}
	return found, nil
}

func (s *Server) createSSHKey(c *call) error {
	var q struct {
		Name      string            `json:"name"`
		PublicKey string            `json:"public_key"`
		Labels    map[string]string `json:"labels"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&q); err != nil {
		return errorOf(codeJSON)
	}
	print, ok := fingerprint(q.PublicKey)
	if q.Name == "" || !ok {
		return invalidField("public_key", "must be a valid OpenSSH public key, with a name")
	}
	if err := checkLabels(q.Labels); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range c.project.keys {
		if k.name == q.Name || k.fingerprint == print {
			e := errorOf(codeUniqueness)
			e.Message = "SSH key not unique"
			return e
		}
	}
	k := &sshKey{id: s.nextID(), name: q.Name, fingerprint: print, publicKey: q.PublicKey, labels: maps.Clone(q.Labels), created: s.clock.Now().UTC()}
	c.project.keys[k.id] = k
	writeJSON(c.w, 201, map[string]any{"ssh_key": k.body()})
	return nil
}

func (s *Server) listSSHKeys(c *call) error {
	s.mu.Lock()
	var all []map[string]any
	for _, id := range slices.Sorted(maps.Keys(c.project.keys)) {
		k := c.project.keys[id]
		if name := c.r.URL.Query().Get("name"); name == "" || name == k.name {
			all = append(all, k.body())
		}
	}
	s.mu.Unlock()
	return list(c, "ssh_keys", all)
}

func (s *Server) getSSHKey(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := c.project.keys[c.id]
	if k == nil {
		return errorOf(codeNotFound)
	}
	writeJSON(c.w, 200, map[string]any{"ssh_key": k.body()})
	return nil
}

func (s *Server) deleteSSHKey(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.project.keys[c.id] == nil {
		return errorOf(codeNotFound)
	}
	delete(c.project.keys, c.id)
	c.w.WriteHeader(204)
	return nil
}
