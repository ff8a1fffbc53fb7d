// Package guest_test boots real guests: the whole main job on Linux itself,
// with cloud-init, systemd, DHCP and the metadata service between the control
// plane and the agent.
package guest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMainJob is the main job: what one guest worked on, the next carries on.
func TestMainJob(t *testing.T) {
	w := mustStart(t, nil)
	began := time.Now()
	v := w.mustLaunch(nil)
	v = w.untilStatus(v.ID, "running")
	t.Logf("create to ready: %.1f s", time.Since(began).Seconds())

	workspace := filepath.Join(w.root(v), "workspace")
	if _, err := os.Stat(filepath.Join(workspace, "notes/2026/november/first.txt")); err != nil {
		t.Fatalf("the repository is not there: %v", err)
	}
	w.mustRun(v, "sh", "-c", "echo edited > /workspace/edited")

	began = time.Now()
	w.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	stopped := w.untilStatus(v.ID, "stopped")
	t.Logf("stop to gone: %.1f s", time.Since(began).Seconds())
	if stopped.Error != nil || stopped.Generation != 1 {
		t.Errorf("stopped as %+v", stopped)
	}
	w.requireNothingLeft()

	began = time.Now()
	next := w.mustLaunch(map[string]any{"workspaceId": v.WorkspaceID})
	next = w.untilStatus(next.ID, "running")
	t.Logf("resume to ready: %.1f s", time.Since(began).Seconds())
	if b, err := os.ReadFile(filepath.Join(w.root(next), "workspace/edited")); err != nil || string(b) != "edited\n" {
		t.Errorf("the edit is %q: %v", b, err)
	}
}
