package hetzner

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// image is what a server's disk begins as: a system image, whose name stands for
// one per architecture, or a project's snapshot, which only its number names.
type image struct {
	id                   int64
	name, flavour, verse string
	architecture         string
	*snapshot
}

// snapshot is what only a snapshot has.
type snapshot struct {
	description string
	labels      map[string]string
	from        int64
	fromName    string
	disk        int
	created     time.Time
	// readyAt is when it is available; until then its server is locked.
	readyAt time.Time
	// deprecated snapshots can't be ordered any more.
	deprecated bool
}

func images() []image {
	return []image{
		{114690387, "debian-12", "debian", "12", "x86", nil},
		{114690389, "debian-12", "debian", "12", "arm", nil},
		{161547269, "ubuntu-24.04", "ubuntu", "24.04", "x86", nil},
		{161547270, "ubuntu-24.04", "ubuntu", "24.04", "arm", nil},
		{310557660, "debian-13", "debian", "13", "x86", nil},
		{310557661, "debian-13", "debian", "13", "arm", nil},
	}
}

// all are the images that a project sees, in the order of their numbers.
func (p *project) images() []image {
	all := images()
	for _, id := range slices.Sorted(maps.Keys(p.snapshots)) {
		all = append(all, *p.snapshots[id])
	}
	return all
}

// bootable finds the image that a request for a server of this type names.
func (p *project) bootable(nameOrID string, k kind, now time.Time) (image, error) {
	refuse := func(format string, args ...any) (image, error) {
		e := errorOf(codeInvalidInput)
		e.Message = fmt.Sprintf(format, args...)
		return image{}, e
	}
	for _, i := range p.images() {
		byID := fmt.Sprint(i.id) == nameOrID
		switch {
		case !byID && (i.snapshot != nil || i.name != nameOrID || i.architecture != k.architecture):
		case i.architecture != k.architecture:
			return refuse("the image's architecture is not the server type's")
		case i.snapshot == nil:
			return i, nil
		case i.deprecated || now.Before(i.readyAt):
			return refuse("image is not available")
		case i.disk > k.disk:
			return refuse("image disk is bigger than server type disk")
		default:
			return i, nil
		}
	}
	return image{}, invalidField("image", "image not found")
}

func (i image) body(now time.Time) map[string]any {
	b := map[string]any{
		"id": i.id, "type": "system", "status": "available", "name": i.name, "description": i.flavour + " " + i.verse,
		"image_size": nil, "disk_size": 5, "created": "2025-08-11T06:00:00+00:00", "created_from": nil, "bound_to": nil,
		"os_flavor": i.flavour, "os_version": i.verse, "architecture": i.architecture, "rapid_deploy": true,
		"protection": map[string]bool{"delete": false}, "deprecated": nil, "deprecation": nil, "deleted": nil,
		"labels": map[string]string{},
	}
	if i.snapshot == nil {
		return b
	}
	b["type"], b["name"], b["description"], b["rapid_deploy"] = "snapshot", nil, i.description, false
	b["disk_size"], b["image_size"], b["labels"] = i.disk, 1.9, maps.Clone(i.labels)
	b["created"], b["created_from"] = i.created.Format(time.RFC3339), map[string]any{"id": i.from, "name": i.fromName}
	if now.Before(i.readyAt) {
		b["status"], b["image_size"] = "creating", nil
	}
	return b
}

func (s *Server) listImages(c *call) error {
	q := c.r.URL.Query()
	selector, err := ParseSelector(q.Get("label_selector"))
	if err != nil {
		return invalidField("label_selector", "%v", err)
	}
	s.mu.Lock()
	now := s.clock.Now()
	var all []map[string]any
	for _, i := range c.project.images() {
		b := i.body(now)
		fits := func(parameter string) bool {
			return len(q[parameter]) == 0 || slices.Contains(q[parameter], fmt.Sprint(b[parameter]))
		}
		if fits("name") && fits("type") && fits("status") && fits("architecture") && selector.Matches(b["labels"].(map[string]string)) {
			all = append(all, b)
		}
	}
	s.mu.Unlock()
	return list(c, "images", all)
}

// findImage needs the lock.
func (p *project) findImage(id int64) (image, error) {
	for _, i := range p.images() {
		if i.id == id {
			return i, nil
		}
	}
	e := errorOf(codeNotFound)
	e.Message = fmt.Sprintf("image with ID '%d' not found", id)
	return image{}, e
}

func (s *Server) getImage(c *call) error {
	s.mu.Lock()
	i, err := c.project.findImage(c.id)
	var body map[string]any
	if err == nil {
		body = i.body(s.clock.Now())
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	writeJSON(c.w, 200, map[string]any{"image": body})
	return nil
}

// deleteImage deletes a snapshot. Servers made of it go on.
func (s *Server) deleteImage(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := c.project.findImage(c.id)
	switch {
	case err != nil:
		return err
	case i.snapshot == nil:
		return errorOf(codeForbidden)
	case s.clock.Now().Before(i.readyAt):
		return errorOf("locked")
	}
	delete(c.project.snapshots, c.id)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// createImage makes a snapshot of a server. It answers at once; meanwhile the
// server is locked.
func (s *Server) createImage(c *call) error {
	var q struct {
		Type        string            `json:"type"`
		Description string            `json:"description"`
		Labels      map[string]string `json:"labels"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&q); err != nil {
		return errorOf(codeJSON)
	}
	if q.Type != "snapshot" {
		return invalidField("type", "only snapshots are simulated")
	}
	if err := checkLabels(q.Labels); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.find(c)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	if v.Status == statusDeleting || c.project.locked(v, now) {
		return errorOf("locked")
	}
	i := &image{id: s.nextID(), flavour: v.image.flavour, verse: v.image.verse, architecture: v.kind.architecture, snapshot: &snapshot{
		description: q.Description, labels: q.Labels, from: v.ID, fromName: v.Name, disk: v.kind.disk,
		created: now.UTC(), readyAt: now.Add(s.snapshotDelay),
	}}
	c.project.snapshots[i.id] = i
	a := s.newAction(c.project, "create_image", v.ID)
	a.until = i.readyAt
	writeJSON(c.w, 201, map[string]any{"image": i.body(now), "action": a.body(now)})
	return nil
}

// locked reports whether a snapshot of the server is being made. It needs the
// lock.
func (p *project) locked(v *server, now time.Time) bool {
	for _, i := range p.snapshots {
		if i.from == v.ID && now.Before(i.readyAt) {
			return true
		}
	}
	return false
}

// AddSnapshot gives a project a snapshot of a server of this type, which is ready,
// and returns its number.
func (s *Server) AddSnapshot(project, serverType string, labels map[string]string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, _ := kindNamed(serverType)
	now := s.clock.Now()
	i := &image{id: s.nextID(), flavour: "ubuntu", verse: "24.04", architecture: k.architecture, snapshot: &snapshot{
		labels: maps.Clone(labels), disk: k.disk, created: now.UTC(), readyAt: now,
	}}
	s.project(project).snapshots[i.id] = i
	return i.id
}

// RemoveSnapshot deletes one, as its owner can.
func (s *Server) RemoveSnapshot(project string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.project(project).snapshots, id)
}

// DeprecateImage makes a snapshot one that can't be ordered any more.
func (s *Server) DeprecateImage(project string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.project(project).snapshots[id]; i != nil {
		i.deprecated = true
	}
}

// ImageState is one snapshot.
type ImageState struct {
	ID           int64
	Architecture string
	Description  string
	Labels       map[string]string
}

// Snapshots lists a project's snapshots, oldest first.
func (s *Server) Snapshots(project string) []ImageState {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []ImageState{}
	for _, i := range s.project(project).images() {
		if i.snapshot != nil {
			list = append(list, ImageState{i.id, i.architecture, i.description, maps.Clone(i.labels)})
		}
	}
	return list
}
