package local

import (
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/apigateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/edge"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// State is what the outside world holds: the answer of GET /_local/state.
type State struct {
	Servers    []ServerState             `json:"servers"`
	DNSRecords []cloudflare.RecordState  `json:"dnsRecords"`
	Objects    []ObjectState             `json:"objects"`
	Uploads    []UploadState             `json:"uploads"`
	Calls      map[string]map[string]int `json:"calls"`
}

// ServerState is one server at the simulated provider.
type ServerState struct {
	hetzner.ServerState
	// WorkspaceDir is where its workspace lies on this machine; "" for a
	// server that never booted.
	WorkspaceDir string `json:"workspaceDir"`
}

// ObjectState is one object of the bucket. Size is in bytes.
type ObjectState struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

// UploadState is one multipart upload under way.
type UploadState struct {
	Key string `json:"key"`
}

// State takes a look at every stand-in.
func (s *Stack) State() State {
	v := &State{
		Servers: []ServerState{}, DNSRecords: s.services.cloudflare.Records(),
		Objects: []ObjectState{}, Uploads: []UploadState{}, Calls: s.services.wire.Calls(),
	}
	if v.DNSRecords == nil {
		v.DNSRecords = []cloudflare.RecordState{}
	}
	for _, server := range s.services.hetzner.State() {
		v.Servers = append(v.Servers, ServerState{server, s.services.machines.WorkspaceDir(server.ID)})
	}
	for _, o := range s.services.s3.Objects() {
		v.Objects = append(v.Objects, ObjectState{o.Key, o.Size})
	}
	for _, u := range s.services.s3.Uploads() {
		v.Uploads = append(v.Uploads, UploadState{u.Key})
	}
	return *v
}

// resolve answers as the simulated DNS: an IPv4 address rather than an IPv6.
func (s *Stack) resolve(name string) string {
	found := ""
	for _, r := range s.services.cloudflare.Records() {
		if r.Name == name && (r.Type == "A" || r.Type == "AAAA" && found == "") {
			found = r.Content
		}
	}
	return found
}

// Texts answers as the simulated DNS: the TXT records with this name.
func (s *Stack) Texts(name string) []string {
	var texts []string
	for _, r := range s.services.cloudflare.Records() {
		if r.Type == "TXT" && strings.EqualFold(r.Name, name) {
			texts = append(texts, strings.Trim(r.Content, `"`))
		}
	}
	return texts
}

// names lists what the edge can reach.
func (s *Stack) names() []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range s.services.cloudflare.Records() {
		if edge.Wildcard(r.Name) == r.Name && !seen[r.Name] {
			seen[r.Name] = true
			names = append(names, r.Name)
		}
	}
	return names
}

// observe hears of every answer of a function, and takes the VMs' pulse.
func (s *Stack) observe(o apigateway.Observation) {
	if o.Function == "vms-heartbeat" && o.StatusCode == 200 {
		s.pulse.beat(o.Path["id"], o.At)
	}
}

// agentKey is where a deployment leaves the agent.
func agentKey(prefix, architecture string) string {
	return prefix + "dcm-agent-linux-" + architecture
}
