// Package guest_test boots real guests: the whole main job on Linux itself,
// with cloud-init, systemd, DHCP and the metadata service between the control
// plane and the agent.
package guest_test

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestMainJob is the main job: what one guest worked on, the next carries on.
// In between, each guest meets what guests meet.
func TestMainJob(t *testing.T) {
	w := mustStart(t, worldOptions{})

	v := w.mustBeReady(nil)
	if _, err := os.Stat(w.workspace(v, "notes/2026/november/first.txt")); err != nil {
		t.Fatalf("the repository is not there: %v", err)
	}
	w.look(t, v)
	w.mustRun(v, "sh", "-c", "echo first > /workspace/edited")
	w.step(t, "the agent is restarted", func(w *world) { w.restart(v) })
	w.step(t, "the agent is killed", func(w *world) { w.kill(v) })
	w.step(t, "the machine reboots", func(w *world) { w.reboot(v) })
	w.stop(v, 1)

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireEdited(v, "first\n")
	w.mustRun(v, "sh", "-c", "echo second >> /workspace/edited")
	w.step(t, "the machine powers off", func(w *world) { w.powerOff(v) })

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireEdited(v, "first\nsecond\n")
	w.mustRun(v, "sh", "-c", "echo third >> /workspace/edited")
	w.step(t, "the network is pulled", func(w *world) { w.pullNetwork(v) })

	v = w.mustBeReady(map[string]any{"workspaceId": v.WorkspaceID})
	w.requireEdited(v, "first\nsecond\nthird\n")
}

// step is a part of a test. If it fails the test ends: the next builds on it.
func (w *world) step(t *testing.T, name string, do func(*world)) {
	t.Helper()
	if !t.Run(name, func(t *testing.T) { do(w.in(t)) }) {
		t.FailNow()
	}
}

// mustBeReady launches a VM and waits until it is ready.
func (w *world) mustBeReady(fields map[string]any) vm {
	w.t.Helper()
	began := time.Now()
	launched := w.mustLaunch(fields)
	what := "created"
	if fields["workspaceId"] != nil {
		what = "resumed"
	}
	v := w.becomesReady(launched)
	w.t.Logf("%s to ready: %.1f s", what, time.Since(began).Seconds())
	return v
}

// becomesReady waits until a VM is ready, and tells how its boot went.
func (w *world) becomesReady(launched vm) vm {
	w.t.Helper()
	v := w.untilStatus(launched.ID, "running")
	v.TerminalPassword = launched.TerminalPassword // shown once
	w.untilCertified(v)
	if v.Boot == nil || v.Boot.Machine == 0 || v.Boot.Installing == 0 {
		w.t.Errorf("its boot is %+v", v.Boot)
		return v
	}
	b := *v.Boot
	seconds := func(t dcm.Tenths) float64 { return t.Duration().Seconds() }
	w.t.Logf("  the machine %.1f s, ours %.1f s: installing %.1f, bootstrapping %.1f, restoring %.1f, cloning %.1f, preparing %.1f, building %.1f; packages installed: %d",
		seconds(b.Machine), b.Ours().Seconds(), seconds(b.Installing), seconds(b.Bootstrapping), seconds(b.Restoring), seconds(b.Cloning),
		seconds(b.Preparing), seconds(b.Building), b.Packages)
	if b.Packages != 0 {
		w.t.Errorf("%d packages were installed on a prepared image", b.Packages)
	}
	return v
}

// workspace is the path of a file in a guest's workspace.
func (w *world) workspace(v vm, name string) string {
	return filepath.Join(w.root(v), "workspace", name)
}

func (w *world) requireEdited(v vm, want string) {
	w.t.Helper()
	if b, err := os.ReadFile(w.workspace(v, "edited")); err != nil || string(b) != want {
		w.t.Fatalf("the edited file holds %q: %v", b, err)
	}
}

// stop ends a VM as its user does.
func (w *world) stop(v vm, generation int64) {
	w.t.Helper()
	began := time.Now()
	w.must(http.StatusAccepted, "DELETE", "/vms/"+v.ID, nil, nil)
	w.requireStopped(v, "user", generation)
	w.t.Logf("stop to gone: %.1f s", time.Since(began).Seconds())
}

// requireStopped waits for a VM's end, saved, with nothing left.
func (w *world) requireStopped(v vm, reason string, generation int64) {
	w.t.Helper()
	w.requireEnded(v, reason, generation)
	w.requireNothingLeft()
}

// requireEnded waits for a VM's end, saved. What was wrong in its life is still
// said, and nothing else.
func (w *world) requireEnded(v vm, reason string, generation int64) {
	w.t.Helper()
	stopped := w.untilStatus(v.ID, "stopped")
	said := cmp.Or(stopped.Error, &dcm.Problem{}).Code
	if said != cmp.Or(v.Error, &dcm.Problem{}).Code || stopped.StopReason != reason || stopped.Generation != generation {
		w.t.Errorf("stopped as %+v, with the error %q", stopped, said)
	}
}

// restart restarts the agent, as an upgrade of a package may.
func (w *world) restart(v vm) {
	before := w.mainPID(v)
	w.mustRun(v, "systemctl", "restart", "dcm-agent.service")
	w.requireGoesOn(v, before)
}

// kill kills the agent, as the kernel does when memory runs out.
func (w *world) kill(v vm) {
	before := w.mainPID(v)
	w.mustRun(v, "systemctl", "kill", "--signal=KILL", "--kill-whom=main", "dcm-agent.service")
	w.requireGoesOn(v, before)
	if out, err := w.run(v, "pgrep", "-f", "^sleep 4711$"); err != nil {
		w.t.Errorf("it took what the user had left running: %v %s", err, out)
	}
}

// reboot reboots the machine in the middle of work.
func (w *world) reboot(v vm) {
	before := w.bootID(v)
	_, _ = w.run(v, "systemctl", "reboot") // the answer may be lost
	w.watch("another boot", func() bool { id := w.bootID(v); return id != "" && id != before })
	w.requireGoesOn(v, "")
	w.requireEdited(v, "first\n")
	if out, err := w.run(v, "cloud-init", "status", "--wait"); err != nil || !strings.Contains(out, "done") {
		w.t.Errorf("cloud-init after the reboot: %s %v", out, err)
	}
	w.requireNoSecrets(v)
}

// requireGoesOn waits until another process than before is the agent and has
// said that the workspace is ready.
func (w *world) requireGoesOn(v vm, before string) {
	w.t.Helper()
	w.watch("the agent", func() bool {
		pid := w.mainPID(v)
		if pid == "" || pid == "0" || pid == before {
			return false
		}
		out, err := w.run(v, "journalctl", "--no-pager", "--output=cat", "--boot", "_PID="+pid)
		return err == nil && strings.Contains(out, `"msg":"ready"`)
	})
	if v := w.get(v.ID); v.Status != "running" {
		w.t.Errorf("it is %+v", v)
	}
}

func (w *world) mainPID(v vm) string {
	out, err := w.run(v, "systemctl", "show", "--property=MainPID", "--value", "dcm-agent.service")
	if err != nil {
		return ""
	}
	return out
}

// bootID tells one boot of a guest from another. The kernel's own is this
// machine's.
func (w *world) bootID(v vm) string {
	out, err := w.run(v, "systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value")
	if err != nil {
		return ""
	}
	return out
}

// powerOff switches the machine off from within: it is saved first, the last
// callback gets through, and the control plane deletes it.
func (w *world) powerOff(v vm) {
	w.mustRun(v, "systemctl", "poweroff")
	w.requireStopped(v, "user", 2)
}

// pullNetwork pulls the cable until the control plane gives the VM up. Once it
// is back, the VM is saved before it goes.
func (w *world) pullNetwork(v vm) {
	if err := w.guests.Unplug(v.ProviderID); err != nil {
		w.t.Fatal(err)
	}
	w.must(http.StatusOK, "POST", "/_local/clock", map[string]string{"advance": "11m"}, nil)
	w.must(http.StatusOK, "POST", "/_local/schedules/sweep-vms", nil, nil)
	if v := w.get(v.ID); v.Status != "stopping" || v.StopReason != "heartbeat_lost" || v.Error == nil || v.Error.Code != "heartbeat_lost" {
		w.t.Errorf("without a network it is %+v", v)
	}
	if err := w.guests.Plug(v.ProviderID); err != nil {
		w.t.Fatal(err)
	}
	w.requireStopped(v, "heartbeat_lost", 3)
}
