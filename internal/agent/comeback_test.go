package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestComesBack(t *testing.T) {
	t.Parallel()
	for jobs, want := range map[string]bool{
		"": false,
		"  1 poweroff.target start waiting\n  2 dcm-agent.service stop running\n":          false,
		"  1 reboot.target start waiting\n  2 dcm-agent.service stop running\n":            true,
		"  1 soft-reboot.target start waiting\n":                                           true,
		"  1 kexec.target start waiting\n":                                                 true,
		"  7 dcm-agent.service restart running\n":                                          true,
		"  7 dcm-agent.service stop running\n  8 ssh.service restart waiting\n":            false,
		"  9 reboot.target stop waiting\n 10 systemd-reboot.service stop waiting\n\n junk": false,
	} {
		if got := agent.ComesBack(jobs); got != want {
			t.Errorf("%q: %v", jobs, got)
		}
	}
}

// TestARebootCarriesOn leaves at a reboot, at work and while it ends, and is
// started again.
func TestARebootCarriesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options()
	o.ComesBack = func() bool { return true }
	first := w.runWith(t, o)
	w.await(t, state(dcm.AgentRunning))
	must(t, os.WriteFile(filepath.Join(w.workspace(), "work"), []byte("done"), 0o600))
	first.stop()
	first.over()
	if n := len(w.plane.Cleanups()); n != 0 || w.plane.Generation() != 0 {
		t.Fatalf("it asked %d times for its end, at generation %d", n, w.plane.Generation())
	}

	second := w.runWith(t, o)
	beats := len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool {
		return v.Beats() > beats && v.Last().State == dcm.AgentRunning
	})
	if b, err := os.ReadFile(filepath.Join(w.workspace(), "work")); err != nil || string(b) != "done" {
		t.Errorf("the work is %q, %v", b, err)
	}
	w.plane.Stop(dcm.StopUser, false)
	second.over()
	if got := w.cleanup(t); got.Generation != 1 {
		t.Errorf("the cleanup is %+v", got)
	}
}

// TestUserDataIsScrubbed leaves in cloud-init's files nothing that opens
// anything, and all else as it was.
func TestUserDataIsScrubbed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const (
		token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ2bSJ9.c2lnbmF0dXJl-_"
		url   = "https://b.example.com/agent?X-Amz-Credential=AKID%2F1&X-Amz-Date=1&X-Amz-Signature=0123abcd"
		text  = "#cloud-config\n{\"content\": \"{\\\"bootstrapToken\\\": \\\"" + token + "\\\"}\", \"url\": \"" + url + "\\\"\\n\"}\n"
	)
	files := []string{"var/lib/cloud/instances/i-1/user-data.txt", "var/lib/cloud/instances/i-1/obj.pkl", "run/cloud-init/combined-cloud-config.json"}
	for _, name := range files {
		path := filepath.Join(w.root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
	curl := filepath.Join(w.root, "etc/dcm/agent-amd64.curl")
	must(t, os.WriteFile(curl, []byte(url), 0o600))
	w.run(t)
	w.await(t, state(dcm.AgentRunning))
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(w.root, name))
		must(t, err)
		left := string(b)
		if len(left) != len(text) || strings.Contains(left, "eyJ") || strings.Contains(left, "0123abcd") || strings.Contains(left, "AKID") {
			t.Errorf("%s holds %s", name, left)
		}
		if !strings.HasPrefix(left, "#cloud-config\n{\"content\": \"{\\\"bootstrapToken\\\": \\\"x") || !strings.Contains(left, "&X-Amz-Date=1&") || !strings.HasSuffix(left, "x\\\"\\n\"}\n") {
			t.Errorf("%s has changed otherwise: %s", name, left)
		}
	}
	if _, err := os.Stat(curl); !os.IsNotExist(err) {
		t.Errorf("the agent's URL: %v", err)
	}
}
