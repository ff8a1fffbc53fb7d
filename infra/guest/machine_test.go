package guest_test

import (
	"strings"
	"testing"
)

// TestMachine is the main job on a machine with a kernel and a BIOS of its own:
// there cloud-init finds Hetzner by itself, and asks it as it does there.
func TestMachine(t *testing.T) {
	w := mustStart(t, worldOptions{machine: true})
	must := func(v vm, command, want string) {
		t.Helper()
		if out, err := w.ssh(v, w.key, command); err != nil || !strings.Contains(out, want) {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	v := w.mustBeReady(nil)
	must(v, "cat /sys/class/dmi/id/sys_vendor", "Hetzner")
	must(v, "cloud-init status --wait --format=json", `"extended_status": "done"`)
	must(v, "cloud-id", "hetzner")
	must(v, "test ! -e /var/log/dpkg.log && systemctl is-active dcm-agent.service dcm-metadata.service", "active\nactive")
	must(v, "runuser -u nobody -- curl -sf --max-time 5 http://169.254.169.254/hetzner/v1/userdata || echo closed", "closed")
	must(v, "grep -rlE 'eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.|X-Amz-Signature=[0-9a-f]{64}' /var/lib/cloud /run/cloud-init /etc/dcm || echo none", "none")
	must(v, "echo first > /workspace/edited; cat /workspace/notes/2026/november/first.txt", "")
	w.stop(v, 1)

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	must(v, "cat /workspace/edited", "first")
	must(v, "echo second >> /workspace/edited && systemctl poweroff", "")
	w.requireStopped(v, "user", 2)
}
