package guest_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestABadDownload has the agent's download fail twice and then arrive in
// half, on the longest user-data that an order can make.
func TestABadDownload(t *testing.T) {
	w := mustStart(t, worldOptions{})
	w.key.public += strings.Repeat("x", 4096-len(w.key.public))
	w.fault(map[string]any{"service": "s3", "operation": "GetObject", "mode": "error", "count": 2})
	w.fault(map[string]any{"service": "s3", "operation": "GetObject", "mode": "truncated", "count": 1})
	v := w.mustBeReady(nil)
	journal := w.mustRun(v, "journalctl", "--no-pager", "--output=cat", "--unit=dcm-agent.service")
	for n, want := range map[int]string{1: "500", 2: "500", 3: ""} {
		if !strings.Contains(journal, fmt.Sprintf("attempt %d of 12 did not bring the agent", n)) || !strings.Contains(journal, want) {
			t.Errorf("attempt %d did not fail: %s", n, journal)
		}
	}
	if strings.Contains(journal, "attempt 4 of 12") || strings.Contains(journal, "X-Amz") {
		t.Errorf("the journal is %s", journal)
	}
	userData := w.mustRun(v, "curl", "-sf", "http://169.254.169.254/hetzner/v1/userdata")
	if n := len(userData); n < 4096+8000 || n > dcm.MaxUserDataBytes {
		t.Errorf("user-data has %d bytes", n)
	}
	w.lookAtSSH(v)
	w.stop(v, 1)
}

// TestAnUnreachableControlPlane keeps the API from the guest until its agent
// has called in vain a few times, which outlasts any number of minutes: it
// never gives up.
func TestAnUnreachableControlPlane(t *testing.T) {
	w := mustStart(t, worldOptions{})
	port := w.URL[strings.LastIndex(w.URL, ":")+1:]
	mustNFT(t, "add table inet scene; add chain inet scene input { type filter hook input priority 0; };"+
		"add rule inet scene input ip saddr 198.18.0.0/15 tcp dport "+port+" drop")
	t.Cleanup(func() { _ = exec.Command("nft", "delete table inet scene").Run() }) // gone already
	v := w.mustLaunch(nil)
	// A call into the void takes its time to fail; one that is refused doesn't.
	w.watch("the agent", func() bool { return w.mainPID(v) != "" && w.mainPID(v) != "0" })
	mustNFT(t, "flush chain inet scene input; add rule inet scene input ip saddr 198.18.0.0/15 tcp dport "+port+" reject with tcp reset")
	w.watch("failed calls", func() bool {
		out, _ := w.run(v, "journalctl", "--no-pager", "--output=cat", "--unit=dcm-agent.service")
		return strings.Count(out, "bootstrap failed") >= 3
	})
	if v := w.get(v.ID); v.Status != "creating" {
		t.Errorf("unreached, it is %+v", v)
	}
	mustNFT(t, "delete table inet scene")
	w.untilStatus(v.ID, "running")
}

func mustNFT(t *testing.T, rules string) {
	t.Helper()
	if out, err := exec.Command("nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// TestIPv6Metadata boots where metadata has an IPv6 address alone, which is
// closed like the other.
func TestIPv6Metadata(t *testing.T) {
	w := mustStart(t, worldOptions{ipv6: true})
	v := w.mustBeReady(nil)
	w.lookAtCloudInit(v)
	w.requireNoSecrets(v)
	const ask = "curl -sf --max-time 2 -o /dev/null http://[fd00:ec2::254]/nocloud/user-data"
	if out, err := w.run(v, "sh", "-c", ask); err != nil {
		t.Errorf("root: %v %s", err, out)
	}
	if _, err := w.run(v, "sh", "-c", "runuser -u nobody -- "+ask); err == nil {
		t.Error("a user reads it")
	}
}

// TestAWrongClock boots guests whose agent's clock is a day ahead, and then a
// control plane that is a day ahead of its guests.
func TestAWrongClock(t *testing.T) {
	t.Run("ahead", func(t *testing.T) {
		w := mustStart(t, worldOptions{prepare: aheadBy(24 * time.Hour)})
		w.requireLives(w.mustBeReady(nil))
	})
	t.Run("behind", func(t *testing.T) {
		w := mustStart(t, worldOptions{})
		w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "24h"}, nil)
		v := w.mustBeReady(nil)
		w.requireLives(v)
		w.stop(v, 1)
	})
}

// requireLives watches a VM for a few heartbeats.
func (w *world) requireLives(v vm) {
	w.t.Helper()
	beats := func() int {
		n := 0
		for line := range strings.Lines(w.functions.String()) {
			if strings.Contains(line, `"function":"vms-heartbeat"`) && strings.Contains(line, v.ID) {
				n++
			}
		}
		return n
	}
	first := beats()
	w.watch("heartbeats", func() bool { return beats() >= first+3 })
	if v := w.get(v.ID); v.Status != "running" {
		w.t.Errorf("it is %+v", v)
	}
}
