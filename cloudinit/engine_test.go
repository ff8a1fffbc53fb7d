package cloudinit_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
)

// TestEngineIsInstalledBesideTheAgent: nothing of the agent's start, and so
// neither the download nor the clone, waits for Docker; what both need is
// installed by whoever comes first.
func TestEngineIsInstalledBesideTheAgent(t *testing.T) {
	t.Parallel()
	lines := map[string][]string{}
	for _, f := range mustParse(t, mustRender(t, options())).WriteFiles {
		lines[filepath.Base(f.Path)] = strings.Split(f.Content, "\n")
	}
	for _, line := range lines[cloudinit.AgentUnit] {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, cloudinit.DevcontainerUnit) {
			t.Errorf("the agent waits for it: %s", line)
		}
	}
	for _, line := range lines[cloudinit.DevcontainerUnit] {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, cloudinit.AgentUnit) {
			t.Errorf("it waits for the agent: %s", line)
		}
	}
	const first = "/usr/bin/flock /run/dcm-packages.lock /usr/local/lib/dcm/packages"
	if !slices.Contains(lines[cloudinit.AgentUnit], "ExecStartPre=+"+first) || !slices.Contains(lines[cloudinit.DevcontainerUnit], "ExecStartPre="+first) {
		t.Error("the packages that both need are not installed under the same lock, and first")
	}
}
