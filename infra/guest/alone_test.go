package guest_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestAlone takes everything a guest can reach away for good: it packs what it
// can't upload, and powers off rather than run for ever. Once it is found, and
// switched on again, nothing of it is lost.
func TestAlone(t *testing.T) {
	w := mustStart(t, worldOptions{prepare: aheadBy(0)})
	v := w.mustBeReady(nil)
	w.mustRun(v, "sh", "-c", "echo alone > /workspace/edited")
	mustNFT(t, "add table inet scene; add chain inet scene input { type filter hook input priority 0; };"+
		"add rule inet scene input ip saddr 198.18.0.0/15 meta l4proto tcp reject with tcp reset")
	t.Cleanup(func() { _ = exec.Command("nft", "delete table inet scene").Run() }) // gone already

	const idle = 2 * time.Hour
	w.setAhead(v, idle)
	w.untilLogged(v, `"msg":"ending"`)
	if status := w.guests.Status(v.ProviderID); status != "running" {
		t.Fatalf("after two hours it is %s", status)
	}
	// Its day begins once everything in it has stopped, whenever that is.
	ahead := idle
	w.watch("the end of the machine", func() bool {
		ahead += time.Hour
		w.setAhead(v, ahead)
		return w.guests.Status(v.ProviderID) == "off"
	})
	w.requirePacked(v, "edited", "alone\n")
	if v := w.get(v.ID); v.Status != "running" {
		t.Errorf("the control plane, whose clock has not moved, has it as %+v", v)
	}

	mustNFT(t, "delete table inet scene")
	w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "11m"}, nil)
	w.watch("somebody to switch it on", func() bool {
		w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "1m"}, nil)
		w.must(http.StatusOK, "POST", "/_local/schedules/sweep-vms", nil, nil)
		return w.guests.Status(v.ProviderID) == "running"
	})
	// It keeps heartbeat_lost, unless it finds the time for a heartbeat.
	if v.Error = w.untilStatus(v.ID, "stopped").Error; v.Error != nil && v.Error.Code != "heartbeat_lost" {
		t.Errorf("it ends with %+v", v.Error)
	}
	w.requireStopped(v, "heartbeat_lost", 1)

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireEdited(v, "alone\n")
}

// untilLogged waits for the agent's word.
func (w *world) untilLogged(v vm, word string) {
	w.t.Helper()
	w.watch(word, func() bool {
		out, _ := w.run(v, "journalctl", "--no-pager", "--output=cat", "--unit=dcm-agent.service")
		return strings.Contains(out, word)
	})
}

// requirePacked wants a file of the workspace in what the guest has kept on its
// disk, for root alone.
func (w *world) requirePacked(v vm, name, want string) {
	w.t.Helper()
	path := filepath.Join(w.root(v), "var/lib/dcm/unsaved-workspace.tar.gz")
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		w.t.Fatalf("the file is %v, %v", info, err)
	}
	out, err := exec.Command("tar", "--extract", "--gzip", "--to-stdout", "--file", path, name).CombinedOutput()
	if err != nil || string(out) != want {
		w.t.Errorf("packed is %q, %v", out, err)
	}
}

// TestSelfDestruct has a guest whose cleanup keeps failing, and whose tenant lets
// it delete its own server.
func TestSelfDestruct(t *testing.T) {
	const token = "the-tenants-own-token"
	var broken atomic.Bool
	broken.Store(true)
	w := mustStart(t, worldOptions{
		prepare: aheadBy(0),
		broken:  func(function string) bool { return function == "vms-cleanup" && broken.Load() },
	})
	w.AddHetznerToken(token, hetzner.Token{Project: "theirs"})
	w.must(http.StatusCreated, "POST", "/tenant/providers", map[string]any{"type": "hetzner", "apiToken": token, "selfDestruct": "provider"}, nil)
	v := w.mustBeReady(nil)
	w.mustRun(v, "sh", "-c", "echo saved > /workspace/edited")
	w.requireAlone(v, token)
	w.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	w.untilLogged(v, "cleanup failed")
	w.setAhead(v, 16*time.Minute)
	w.watch("the end of the server", func() bool { return len(w.State().Servers) == 0 })
	if v := w.get(v.ID); v.Status != "stopping" || v.Generation != 1 {
		t.Errorf("the record, which has heard nothing, is %+v", v)
	}
	w.watch("the end of the record", func() bool {
		w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "11m"}, nil)
		w.must(http.StatusOK, "POST", "/_local/schedules/sweep-vms", nil, nil)
		return w.get(v.ID).Status == "stopped"
	})
	w.requireStopped(v, "user", 1)

	broken.Store(false)
	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireEdited(v, "saved\n")
}

// requireAlone wants the token in the agent's state, and nowhere else that the
// guest can read.
func (w *world) requireAlone(v vm, token string) {
	w.t.Helper()
	w.mustRun(v, "journalctl", "--sync")
	out, err := w.run(v, "grep", "-rlF", token, "/etc", "/var", "/run", "/root", "/home", "/tmp", "/workspace", "--devices=skip")
	if out != "/var/lib/dcm/state.json" {
		w.t.Errorf("the token lies in %q: %v", out, err)
	}
}
