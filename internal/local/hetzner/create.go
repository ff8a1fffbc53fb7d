package hetzner

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
)

// userDataLimit is the API's, in bytes.
const userDataLimit = 32 * 1024

type createRequest struct {
	Name       string            `json:"name"`
	ServerType idOrName          `json:"server_type"`
	Image      idOrName          `json:"image"`
	Location   idOrName          `json:"location"`
	SSHKeys    []idOrName        `json:"ssh_keys"`
	UserData   string            `json:"user_data"`
	Labels     map[string]string `json:"labels"`
	Start      *bool             `json:"start_after_create"`
}

// idOrName is a resource named by its number or its name.
type idOrName string

func (i *idOrName) UnmarshalJSON(data []byte) error {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case string:
		*i = idOrName(v)
	case float64:
		*i = idOrName(fmt.Sprintf("%.0f", v))
	default:
		return fmt.Errorf("neither id nor name: %s", data)
	}
	return nil
}

// createServer orders a server. It answers at once, with the server still
// initializing.
func (s *Server) createServer(c *call) error {
	var q createRequest
	body, err := io.ReadAll(io.LimitReader(c.r.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &q) != nil {
		return errorOf(codeJSON)
	}
	answer, err := s.create(c, q)
	if err != nil {
		return err
	}
	writeJSON(c.w, 201, answer)
	return nil
}

func (s *Server) create(c *call, q createRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return nil, errorOf("maintenance")
	}
	s.reap(c.project)
	v, err := s.order(c.project, q)
	if err != nil {
		return nil, err
	}
	created := s.newAction(c.project, "create_server", v.ID)
	started := s.newAction(c.project, "start_server", v.ID)
	answer := map[string]any{
		"server": s.body(v), "action": created.body(s.clock.Now()),
		"next_actions": []any{started.body(s.clock.Now())}, "root_password": nil,
	}
	if len(q.SSHKeys) == 0 {
		// As the real one does: without a key there is a password, and it is
		// e-mailed to the project's owner as well.
		answer["root_password"] = rand.Text()[:20]
	}
	if q.Start != nil && !*q.Start {
		v.Status = statusOff
		return answer, nil
	}
	s.boot(v)
	return answer, nil
}

// order checks the request in the API's order, takes the server from stock and
// notes it. It needs the lock.
func (s *Server) order(p *project, q createRequest) (*server, error) {
	if !validServerName(q.Name) {
		return nil, invalidField("name", "must be a valid hostname")
	}
	if len(q.UserData) > userDataLimit {
		return nil, invalidField("user_data", "must be at most %d bytes", userDataLimit)
	}
	if err := checkLabels(q.Labels); err != nil {
		return nil, err
	}
	k, place, picture, err := s.resolve(p, q)
	if err != nil {
		return nil, err
	}
	keys, err := p.findKeys(q.SSHKeys)
	if err != nil {
		return nil, err
	}
	if err := p.checkName(q.Name); err != nil {
		return nil, err
	}
	if len(p.servers) >= s.serverLimit {
		return nil, errorOf(codeLimitExceeded)
	}
	if err := s.takeStock(offer{k.name, place.name}); err != nil {
		return nil, err
	}
	v := &server{
		ID: s.nextID(), Name: q.Name, Status: statusInitializing, Created: s.clock.Now().UTC(),
		Labels: map[string]string{}, kind: k, place: place, image: picture, userData: q.UserData, keys: keys,
	}
	maps.Copy(v.Labels, q.Labels)
	if !s.private {
		v.IPv4, v.IPv6 = s.nextAddresses()
	}
	p.servers[v.ID] = v
	return v, nil
}

// resolve finds what the request names.
func (s *Server) resolve(p *project, q createRequest) (kind, location, image, error) {
	k, ok := kindNamed(string(q.ServerType))
	if !ok {
		return kind{}, location{}, image{}, invalidField("server_type", "server type not found")
	}
	picture, err := p.bootable(string(q.Image), k, s.clock.Now())
	if err != nil {
		return kind{}, location{}, image{}, err
	}
	name := string(q.Location)
	if name == "" {
		name = k.locations[0]
	}
	place, ok := locationNamed(name)
	if !ok {
		return kind{}, location{}, image{}, invalidField("location", "location not found")
	}
	if k.deprecated {
		e := errorOf(codeInvalidInput)
		e.Message = "server type " + k.name + " is deprecated"
		return kind{}, location{}, image{}, e
	}
	for _, l := range k.locations {
		if l == place.name {
			return k, place, picture, nil
		}
	}
	e := errorOf(codeInvalidInput)
	e.Message = "unsupported location for server type"
	return kind{}, location{}, image{}, e
}

func (s *Server) takeStock(o offer) error {
	left, limited := s.stock[o]
	if !limited || left < 0 {
		return nil
	}
	if left == 0 {
		return errorOf(codeUnavailable)
	}
	s.stock[o] = left - 1
	return nil
}

func (p *project) checkName(name string) error {
	for _, v := range p.servers {
		if v.Name == name {
			return errorOf(codeUniqueness)
		}
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	for k, v := range labels {
		if !validLabelKey(k) {
			return invalidField("labels", "label key '%s' is not correctly formatted", k)
		}
		if !validLabelValue(v) {
			return invalidField("labels", "label value '%s' (key: %s) is not correctly formatted", v, k)
		}
	}
	return nil
}

// nextAddresses hands out addresses nobody has had: IPv4 from the range for
// benchmarks (198.18.0.0/15), IPv6 networks from the one for documentation.
func (s *Server) nextAddresses() (netip.Addr, netip.Prefix) {
	s.lastIP++
	n := s.lastIP%(1<<17-2) + 1
	v4 := netip.AddrFrom4([4]byte{198, 18 + byte(n>>16), byte(n >> 8), byte(n)})
	v6 := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(s.lastIP >> 24), byte(s.lastIP >> 16), byte(s.lastIP >> 8), byte(s.lastIP)})
	return v4, netip.PrefixFrom(v6, 64)
}
