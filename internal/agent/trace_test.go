package agent_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
)

// TestInstalledPackages: those count that are younger than our first instruction.
func TestInstalledPackages(t *testing.T) {
	t.Parallel()
	root, now := t.TempDir(), time.Now()
	put := func(path string, age time.Duration) {
		t.Helper()
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, nil, 0o644))
		must(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	installed := func(want int) {
		t.Helper()
		if got := agent.TraceOf(root); int(got.Packages) != want {
			t.Errorf("%d packages were installed, want %d", got.Packages, want)
		}
	}
	put("var/lib/dpkg/info/docker.io.list", time.Second)
	installed(0) // without a first instruction nobody knows
	put("usr/local/lib/dcm/install", time.Minute)
	put("var/lib/dpkg/info/bash.list", time.Hour)
	put("usr/local/bin/devcontainer", time.Hour)
	installed(1)
	put("usr/local/bin/devcontainer", time.Second)
	put("var/lib/dpkg/info/git.list", 2*time.Second)
	put("var/lib/dpkg/info/git.postinst", time.Second)
	installed(3)
	put("var/lib/dpkg/info/docker.io.list", time.Hour)
	put("var/lib/dpkg/info/git.list", time.Hour)
	put("usr/local/bin/devcontainer", time.Hour)
	installed(0)
}
