package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// paper is hardware that only keeps what it was to boot with.
type paper struct {
	mu     sync.Mutex
	booted map[dcm.VMID]string
	// on says that servers run. They are off otherwise: the test plays the
	// agent, and a server whose agent is gone costs nothing to wait for.
	on bool
}

func newPaper() *paper { return &paper{booted: map[dcm.VMID]string{}} }

func (p *paper) Boot(_ context.Context, s hetzner.ServerInfo) error {
	var d cloudinit.Document
	if err := json.Unmarshal([]byte(strings.TrimPrefix(s.UserData, cloudinit.Header)), &d); err != nil {
		return err
	}
	for _, f := range d.WriteFiles {
		var config dcm.AgentConfig
		if strings.HasSuffix(f.Path, "/agent.json") && json.Unmarshal([]byte(f.Content), &config) == nil {
			p.mu.Lock()
			p.booted[config.VMID] = config.BootstrapToken
			p.mu.Unlock()
		}
	}
	return nil
}

func (*paper) Stop(context.Context, string) error { return nil }

func (p *paper) Status(string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on {
		return "running"
	}
	return "off"
}

func (p *paper) keepOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = true
}

func (p *paper) token(id dcm.VMID) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.booted[id]
}
