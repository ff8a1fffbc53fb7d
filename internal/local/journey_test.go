package local_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheWorkOfOneVMIsCarriedOnByTheNext is the main job, end to end.
func TestTheWorkOfOneVMIsCarriedOnByTheNext(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{environment: map[string]string{"MAX_CONCURRENT_VMS": "1"}})

	v := s.mustLaunch(nil)
	if v.Status != "creating" || v.TerminalPassword == "" {
		t.Fatalf("launched as %+v", v)
	}
	if again := s.untilStatus(v.ID, "running"); again.TerminalPassword != "" || again.Phase != "ready" {
		t.Errorf("running as %+v", again)
	}
	dir := s.directory(v)
	if b, err := os.ReadFile(dir + "/notes/2026/november/first.txt"); err != nil || len(b) == 0 {
		t.Fatalf("the repository is not there: %v", err)
	}
	requireReachable(t, s, v)
	requireQuota(t, s)

	mustWork(t, dir)
	before := snapshot(t, dir)
	var stopping vm
	s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, &stopping)
	if stopping.Status != "stopping" || stopping.StopReason != "user" {
		t.Errorf("stopping as %+v", stopping)
	}
	stopped := s.untilStatus(v.ID, "stopped")
	if stopped.Error != nil || stopped.StopReason != "user" || stopped.Generation != 1 {
		t.Errorf("stopped as %+v", stopped)
	}
	s.requireNothingLeft()
	backup := s.object("default/" + v.WorkspaceID + "/workspace.tar.gz.enc")
	if !bytes.HasPrefix(backup, []byte("age-encryption.org/v1\n")) {
		t.Errorf("the backup begins with %q", backup[:min(40, len(backup))])
	}
	if metadata := s.object("default/" + v.WorkspaceID + "/metadata.json"); len(metadata) == 0 {
		t.Error("the backup has no description")
	}
	if status, _ := s.visit(v, "ui", "/", v.TerminalPassword); status != http.StatusNotFound {
		t.Errorf("its address still answers %d", status)
	}

	// One VM is all the quota allows, so a second launch shows that it is free.
	next := s.mustLaunch(map[string]any{"workspaceId": v.WorkspaceID})
	if next.WorkspaceID != v.WorkspaceID || next.ID == v.ID || next.TerminalPassword == v.TerminalPassword {
		t.Errorf("the next is %+v", next)
	}
	s.untilStatus(next.ID, "running")
	requireSame(t, snapshot(t, s.directory(next)), before)

	// And once more, now from a restored workspace.
	if err := os.WriteFile(filepath.Join(s.directory(next), "second"), []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	before = snapshot(t, s.directory(next))
	s.must(http.StatusAccepted, "DELETE", "/vms/"+next.ID, nil, nil)
	s.untilStatus(next.ID, "stopped")
	third := s.mustLaunch(map[string]any{"workspaceId": v.WorkspaceID})
	s.untilStatus(third.ID, "running")
	requireSame(t, snapshot(t, s.directory(third)), before)
}

// requireReachable visits a VM's terminal page and a server on one of its
// ports, with and without the password.
func requireReachable(t *testing.T, s *system, v vm) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" for "+r.Header.Get("X-Forwarded-Host"))
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := s.visit(v, "ui", "/", v.TerminalPassword); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("the terminal page: %d", status)
	}
	status, body := s.visit(v, port, "/", v.TerminalPassword)
	if want := "localhost:" + port + " for " + port + "." + v.Hostname; status != http.StatusOK || !strings.HasPrefix(body, want) {
		t.Errorf("port %s: %d %q", port, status, body)
	}
	for _, label := range []string{"ui", port} {
		for _, password := range []string{"", "wrong"} {
			if status, body := s.visit(v, label, "/", password); status == http.StatusOK || strings.Contains(body, v.Hostname+" for") {
				t.Errorf("%s with password %q: %d", label, password, status)
			}
		}
	}
}

func requireQuota(t *testing.T, s *system) {
	t.Helper()
	status, body := s.caller().Do(s.t, "POST", "/vms", map[string]any{"name": "one more", "repoUrl": s.SampleRepository, "size": "small"})
	if status < 400 || !bytes.Contains(body, []byte(`"quota_exceeded"`)) {
		t.Errorf("beyond the quota: %d %s", status, body)
	}
}

func TestForceDoesNotWaitForABackup(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{})
	v := s.mustLaunch(nil)
	s.untilStatus(v.ID, "running")
	s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID+"?force=true", nil, nil)
	s.untilStatus(v.ID, "stopped")
	s.requireNothingLeft()
	for _, o := range s.State().Objects {
		if strings.HasPrefix(o.Key, "default/") {
			t.Errorf("there is %s", o.Key)
		}
	}
}

// TestAnswersThatAreLost: every answer that matters is lost once, and the main
// job is done all the same.
func TestAnswersThatAreLost(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{})
	for _, lost := range []struct{ service, operation string }{ // in the order of a VM's life
		{"hetzner", "CreateServer"}, {"dynamodb", "TransactWriteItems"}, {"dynamodb", "UpdateItem"},
		{"kms", "Sign"}, {"s3", "UploadPart"}, {"s3", "CompleteMultipartUpload"},
		{"hetzner", "DeleteServer"}, {"cloudflare", "DeleteRecord"},
	} {
		s.loseAnswer(lost.service, lost.operation)
	}
	v := s.mustLaunch(nil)
	s.untilStatus(v.ID, "running")
	mustWork(t, s.directory(v))
	before := snapshot(t, s.directory(v))
	s.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	// With its answer the deletion takes the agent: a sweep finishes the rest.
	s.until(v.ID, "without a server", func(v vm) bool { return v.Generation == 1 && len(s.State().Servers) == 0 })
	s.sweep(3, 2*time.Minute)
	s.untilStatus(v.ID, "stopped")
	s.requireNothingLeft()
	next := s.mustLaunch(map[string]any{"workspaceId": v.WorkspaceID})
	s.untilStatus(next.ID, "running")
	requireSame(t, snapshot(t, s.directory(next)), before)
	calls := s.State().Calls
	if calls["hetzner"]["CreateServer"] < 2 || calls["s3"]["CompleteMultipartUpload"] < 1 {
		t.Errorf("calls were %v", calls)
	}
}

// TestALaunchThatFailsLeavesNothing: the DNS record's answer is lost, and then
// the answer of the deletion that undoes the launch.
func TestALaunchThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	s := mustStartSystem(t, systemOptions{environment: map[string]string{"MAX_CONCURRENT_VMS": "1"}})
	s.loseAnswer("cloudflare", "BatchRecords")
	s.loseAnswer("hetzner", "DeleteServer")
	status, body := s.caller().Do(s.t, "POST", "/vms", map[string]any{"name": "x", "repoUrl": s.SampleRepository, "size": "small"})
	if status == http.StatusCreated {
		t.Skip("the launch took the loss")
	}
	if status != http.StatusServiceUnavailable || !bytes.Contains(body, []byte(`"provider_unavailable"`)) {
		t.Errorf("%d %s", status, body)
	}
	s.sweep(3, 2*time.Minute)
	s.requireNothingLeft()
	s.mustLaunch(nil) // the quota is free
}

// sweep advances the clock and runs the sweep, so many times.
func (s *system) sweep(times int, every time.Duration) {
	s.t.Helper()
	for range times {
		s.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": every.String()}, nil)
		s.must(http.StatusOK, "POST", "/_local/schedules/sweep-vms", nil, nil)
	}
}

func (s *system) loseAnswer(service, operation string) {
	s.t.Helper()
	s.must(http.StatusNoContent, "POST", "/_local/faults", map[string]any{
		"service": service, "operation": operation, "mode": "lost_answer", "count": 1,
	}, nil)
}
