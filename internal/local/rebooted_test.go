package local_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestAVMCarriesOnAfterAnAccident: an agent that is killed, or a machine that
// is switched off and on, with work that is in no backup. It comes back with
// its own disk, not with the older backup, and ends in a right one.
func TestAVMCarriesOnAfterAnAccident(t *testing.T) {
	t.Parallel()
	const token = "the-tenants-own-token"
	for name, accident := range map[string]func(*testing.T, *system, vm){
		"the agent is killed": func(t *testing.T, s *system, v vm) {
			if err := syscall.Kill(s.agentOf(v), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
		"the machine is switched off and on": func(t *testing.T, s *system, v vm) {
			for _, action := range []string{"poweroff", "poweron"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint("hetzner")+"/v1/servers/"+v.ProviderID+"/actions/"+action, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				answer, err := s.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusCreated {
					t.Fatalf("%s: %s", action, answer.Status)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustStartSystem(t, systemOptions{})
			s.AddHetznerToken(token, hetzner.Token{Project: "theirs"})
			s.must(http.StatusCreated, "POST", "/tenant/providers", map[string]any{"type": "hetzner", "apiToken": token}, nil)
			first := s.mustLaunch(nil)
			s.untilStatus(first.ID, "running")
			s.must(http.StatusAccepted, "DELETE", "/vms/"+first.ID, nil, nil)
			s.untilStatus(first.ID, "stopped")

			v := s.mustLaunch(map[string]any{"workspaceId": first.WorkspaceID})
			v = s.untilStatus(v.ID, "running")
			dir := s.directory(v)
			mustWork(t, dir)
			work := snapshot(t, dir)
			before := s.agentOf(v)
			accident(t, s, v)
			s.until(v.ID, "served by another agent", func(vm) bool { pid := s.agentOf(v); return pid != 0 && pid != before })
			requireSame(t, snapshot(t, dir), work)
			if err := os.WriteFile(filepath.Join(dir, "afterwards"), []byte("more"), 0o644); err != nil {
				t.Fatal(err)
			}
			work = snapshot(t, dir)
			s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
			if stopped := s.untilStatus(v.ID, "stopped"); stopped.Error != nil || stopped.Generation != first.Generation+2 {
				t.Errorf("it stopped as %+v", stopped)
			}
			next := s.mustLaunch(map[string]any{"workspaceId": first.WorkspaceID})
			s.untilStatus(next.ID, "running")
			requireSame(t, snapshot(t, s.directory(next)), work)
		})
	}
}

// agentOf is the process of a VM's agent; 0 if there is none.
func (s *system) agentOf(v vm) int {
	s.t.Helper()
	var dir string
	for _, server := range s.State().Servers {
		if server.Labels[dcm.LabelVM] == v.ID {
			dir = filepath.Dir(server.WorkspaceDir)
		}
	}
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil || dir == "" || !bytes.HasPrefix(b, []byte(dir+"/usr/local/bin/dcm-agent\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			return pid
		}
	}
	return 0
}
