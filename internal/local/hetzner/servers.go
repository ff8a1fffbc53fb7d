package hetzner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// The statuses of a server.
const (
	statusInitializing = "initializing"
	statusStarting     = "starting"
	statusRunning      = "running"
	statusOff          = "off"
	statusDeleting     = "deleting"
)

// server is one server of a project.
type server struct {
	ID       int64
	Name     string
	Status   string
	Created  time.Time
	Labels   map[string]string
	IPv4     netip.Addr
	IPv6     netip.Prefix
	kind     kind
	place    location
	image    image
	userData string
	keys     []int64

	stopBoot func()
	// goneAt is when a deleted server is no longer shown; zero while what it
	// runs is still being stopped.
	goneAt time.Time
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }

func sortByID(list []ServerState) {
	slices.SortFunc(list, func(a, b ServerState) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
}

// ip is the IPv4 address, "" without one.
func (v *server) ip() string {
	if !v.IPv4.IsValid() {
		return ""
	}
	return v.IPv4.String()
}

// hostIPv6 is the address that images configure, "" without a network.
func (v *server) hostIPv6() string {
	if !v.IPv6.IsValid() {
		return ""
	}
	return v.IPv6.Addr().Next().String()
}

// publicNet is null for each address that isn't there.
func (v *server) publicNet() map[string]any {
	net := map[string]any{"ipv4": nil, "ipv6": nil, "floating_ips": []any{}, "firewalls": []any{}}
	if v.IPv4.IsValid() {
		net["ipv4"] = map[string]any{
			"id": v.ID + 1_000_000, "ip": v.IPv4.String(), "blocked": false,
			"dns_ptr": "static." + v.IPv4.String() + ".clients.your-server.de",
		}
	}
	if v.IPv6.IsValid() {
		net["ipv6"] = map[string]any{"id": v.ID + 2_000_000, "ip": v.IPv6.String(), "blocked": false, "dns_ptr": []any{}}
	}
	return net
}

// reap forgets the servers whose deletion is over. It needs the lock.
func (s *Server) reap(p *project) {
	now := s.clock.Now()
	maps.DeleteFunc(p.servers, func(_ int64, v *server) bool {
		return v.Status == statusDeleting && !v.goneAt.IsZero() && !now.Before(v.goneAt)
	})
}

// find returns a server of the call's project. It needs the lock.
func (s *Server) find(c *call) (*server, error) {
	s.reap(c.project)
	v := c.project.servers[c.id]
	if v == nil {
		e := errorOf(codeNotFound)
		e.Message = fmt.Sprintf("server with ID '%d' not found", c.id)
		return nil, e
	}
	return v, nil
}

func (s *Server) getServer(c *call) error {
	s.mu.Lock()
	v, err := s.find(c)
	var body map[string]any
	if err == nil {
		body = s.body(v)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	writeJSON(c.w, 200, map[string]any{"server": body})
	return nil
}

func (s *Server) listServers(c *call) error {
	q := c.r.URL.Query()
	selector, err := ParseSelector(q.Get("label_selector"))
	if err != nil {
		return invalidField("label_selector", "%v", err)
	}
	s.mu.Lock()
	s.reap(c.project)
	ids := slices.Sorted(maps.Keys(c.project.servers))
	if slices.Contains(q["sort"], "id:desc") {
		slices.Reverse(ids)
	}
	var all []map[string]any
	for _, id := range ids {
		v := c.project.servers[id]
		named := q.Get("name") == "" || q.Get("name") == v.Name
		inStatus := len(q["status"]) == 0 || slices.Contains(q["status"], s.status(v))
		if named && inStatus && selector.Matches(v.Labels) {
			all = append(all, s.body(v))
		}
	}
	s.mu.Unlock()
	return list(c, "servers", all)
}

// updateServer changes the name or the labels.
func (s *Server) updateServer(c *call) error {
	var change struct {
		Name   string             `json:"name"`
		Labels *map[string]string `json:"labels"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&change); err != nil {
		return errorOf(codeJSON)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.find(c)
	if err != nil {
		return err
	}
	if change.Labels != nil {
		if err := checkLabels(*change.Labels); err != nil {
			return err
		}
		v.Labels = maps.Clone(*change.Labels)
	}
	if change.Name != "" && change.Name != v.Name {
		if err := c.project.checkName(change.Name); err != nil {
			return err
		}
		v.Name = change.Name
	}
	writeJSON(c.w, 200, map[string]any{"server": s.body(v)})
	return nil
}

// deleteServer ends the server. Until it is gone it is shown as "deleting".
func (s *Server) deleteServer(c *call) error {
	s.mu.Lock()
	v, err := s.find(c)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	if c.project.locked(v, s.clock.Now()) {
		s.mu.Unlock()
		return errorOf("locked")
	}
	again := v.Status == statusDeleting
	v.Status = statusDeleting
	a := s.newAction(c.project, "delete_server", v.ID)
	s.mu.Unlock()
	if again {
		return errorOf("locked")
	}
	// The deletion goes on whether or not the caller waits for the answer.
	s.destroy(context.WithoutCancel(c.r.Context()), v)
	s.mu.Lock()
	v.goneAt = s.clock.Now().Add(s.deleteDelay)
	s.reap(c.project)
	body := a.body(s.clock.Now())
	s.mu.Unlock()
	writeJSON(c.w, 200, map[string]any{"action": body})
	return nil
}

// body is the server as the API shows it. It needs the lock.
func (s *Server) body(v *server) map[string]any {
	return map[string]any{
		"id": v.ID, "name": v.Name, "status": s.status(v), "created": v.Created.Format(time.RFC3339),
		"public_net":  v.publicNet(),
		"private_net": []any{}, "server_type": v.kind.body(s.stock), "location": v.place.body(), "image": v.image.body(s.clock.Now()),
		"iso": nil, "rescue_enabled": false, "locked": v.Status == statusDeleting, "backup_window": nil,
		"outgoing_traffic": nil, "ingoing_traffic": nil, "included_traffic": 20 << 40,
		"protection": map[string]bool{"delete": false, "rebuild": false}, "labels": maps.Clone(v.Labels),
		"volumes": []any{}, "load_balancers": []any{}, "primary_disk_size": v.kind.disk, "placement_group": nil,
	}
}
