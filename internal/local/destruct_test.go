package local_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestAVMWhoseCleanupFailsDeletesItsOwnServer has the real agent, the real
// functions but for one that is broken, and a provider that both can reach.
func TestAVMWhoseCleanupFailsDeletesItsOwnServer(t *testing.T) {
	t.Parallel()
	const token = "the-tenants-own-token"
	var broken atomic.Bool
	broken.Store(true)
	s := mustStartSystem(t, systemOptions{broken: func(name string) bool { return name == "vms-cleanup" && broken.Load() }})
	s.AddHetznerToken(token, hetzner.Token{Project: "theirs"})
	s.must(http.StatusCreated, "POST", "/tenant/providers", map[string]any{"type": "hetzner", "apiToken": token, "selfDestruct": "provider"}, nil)
	v := s.mustLaunch(nil)
	s.untilStatus(v.ID, "running")
	dir := s.directory(v)
	disk := filepath.Dir(filepath.Dir(dir))
	if err := os.WriteFile(filepath.Join(dir, "work"), []byte("done"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.readableByItsOwnerAlone(disk, token)
	s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	var log []byte
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s\n%s", what, log)
			}
		}
	}
	until("cleanup fails", func() bool {
		log, _ = os.ReadFile(filepath.Join(disk, "agent.log"))
		return bytes.Contains(log, []byte("cleanup failed"))
	})
	if len(s.State().Servers) != 1 {
		t.Fatal("the server is gone at once")
	}
	if bytes.Contains(log, []byte(token)) {
		t.Error("the agent's log shows the token")
	}
	if err := s.Advance(t.Context(), 16*time.Minute); err != nil {
		t.Fatal(err)
	}
	until("the server is gone", func() bool { return len(s.State().Servers) == 0 })
	if v := s.get(v.ID); v.Status != "stopping" || v.Generation != 1 {
		t.Errorf("the record, which has heard nothing, is %+v", v)
	}
	if err := s.Advance(t.Context(), 11*time.Minute); err != nil {
		t.Fatal(err)
	}
	stopped := s.untilStatus(v.ID, "stopped")
	if stopped.StopReason != "user" || stopped.Error != nil {
		t.Errorf("it stopped as %+v", stopped)
	}
	var shown struct {
		Receipt *struct{ ConfirmedAt time.Time }
	}
	s.must(http.StatusOK, "GET", "/vms/"+v.ID, nil, &shown)
	if shown.Receipt == nil || shown.Receipt.ConfirmedAt.IsZero() {
		t.Errorf("the receipt is %+v", shown.Receipt)
	}
	s.requireNothingLeft()
	if strings.Contains(s.output.String(), token) {
		t.Error("a function's log shows the token")
	}
	// What was saved is carried on.
	broken.Store(false)
	next := s.mustLaunch(map[string]any{"workspaceId": v.WorkspaceID})
	s.untilStatus(next.ID, "running")
	if b, err := os.ReadFile(filepath.Join(s.directory(next), "work")); string(b) != "done" {
		t.Errorf("the next VM has %q, %v", b, err)
	}
}

// readableByItsOwnerAlone looks for the token on a VM's disk.
func (s *system) readableByItsOwnerAlone(disk, token string) {
	s.t.Helper()
	found := 0
	err := filepath.WalkDir(disk, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a file that came and went
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(token)) {
			return nil
		}
		found++
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 || filepath.Base(path) != "state.json" {
			s.t.Errorf("%s with mode %o holds the token", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || found != 1 {
		s.t.Errorf("%d files hold the token, want the agent's state alone: %v", found, err)
	}
}
