package agent_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// disk is a small file system of its own over a VM's root, in a mount
// namespace that a process holds.
type disk struct {
	holder *exec.Cmd
	world  *world
}

// newDisk puts the VM's root on so many bytes.
func (w *world) newDisk(t *testing.T, size string) *disk {
	t.Helper()
	seed := t.TempDir()
	const script = `set -e; cp -a "$1/." "$2/"; mount -t tmpfs -o size="$3" t "$1"; cp -a "$2/." "$1/"; echo ready; exec cat`
	d := &disk{world: w, holder: exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", w.root, seed, size)}
	in, err := d.holder.StdinPipe()
	must(t, err)
	out, err := d.holder.StdoutPipe()
	must(t, err)
	if err := d.holder.Start(); err != nil {
		t.Skipf("no namespaces here: %v", err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = d.holder.Wait() })
	ready := make([]byte, 6)
	if n, _ := out.Read(ready); string(ready[:n]) != "ready\n" {
		t.Skip("no file system may be mounted here, not even in a namespace of one's own")
	}
	return d
}

// at is where the test finds a path of the VM's.
func (d *disk) at(path string) string {
	return filepath.Join("/proc", strconv.Itoa(d.holder.Process.Pid), "root", path)
}

// fill writes what nothing compresses until the disk is full.
func (d *disk) fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(d.at(path))
	must(t, err)
	defer f.Close()
	block := make([]byte, 4096)
	for {
		_, _ = rand.Read(block)
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// start runs the agent's binary on the disk.
func (d *disk) start(t *testing.T) *process {
	t.Helper()
	built.Store(true)
	path, err := binary()
	must(t, err)
	w := d.world
	pid := strconv.Itoa(d.holder.Process.Pid)
	clock := filepath.Join(t.TempDir(), "clock")
	must(t, os.WriteFile(clock, []byte("0s"), 0o600))
	w.clockMu.Lock()
	w.clock = clock
	w.clockMu.Unlock()
	p := &process{exec.Command("nsenter", "--target", pid, "--user", "--preserve-credentials", "--mount", path, "--root", w.root, "--config", w.config(),
		"--listen", "127.0.0.1:0"), make(chan error, 1)}
	p.Env = append(os.Environ(), agent.LocalClockVariable+"="+w.clock)
	p.Stderr = w.log
	must(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	go func() { p.done <- p.Wait() }()
	return p
}

// TestDiskFullWhileBackingUp: a backup needs no room, and what it comes to is
// known after a restart, though the user has left no byte free.
func TestDiskFullWhileBackingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 48 * 60
	w.plane.Answer.ExpiresAt = time.Now().Add(100 * time.Hour)
	d := w.newDisk(t, "6m")
	p := d.start(t)
	w.await(t, state(dcm.AgentRunning))
	d.fill(t, filepath.Join(w.workspace(), "filler"))
	d.fill(t, filepath.Join(w.root, "more"))
	for n := int64(1); n <= 4; n++ {
		must(t, os.Chmod(d.at(filepath.Join(w.workspace(), "filler")), os.FileMode(0o600+n)))
		w.advance(t, time.Duration(n)*16*time.Minute)
		w.await(t, func(v *agenttest.View) bool { return v.Generation() == n })
	}
	// The state is written right after the plane has answered.
	beats := len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool { return v.Beats() >= beats+2 })
	must(t, p.Process.Kill())
	await(t, w, p, true)
	d.fill(t, filepath.Join(w.root, "yet more"))
	p = d.start(t)
	beats = len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool { return v.Beats() > beats && v.Last().State == dcm.AgentRunning })
	must(t, os.Chmod(d.at(filepath.Join(w.workspace(), "filler")), 0o600))
	work := describe(t, d.at(w.workspace()))
	w.plane.Stop(dcm.StopUser, false)
	w.await(t, func(v *agenttest.View) bool { return v.Calls("cleanup") > 0 })
	if c := w.plane.Cleanups()[0]; c.Discard || c.Generation != 5 || w.plane.Generation() != 5 {
		t.Errorf("the cleanup is %+v, the workspace at %d\n%s", c, w.plane.Generation(), w.log)
	}
	_ = p.Process.Kill()
	<-p.done

	w.newVM(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if got := describe(t, w.workspace()); got != work {
		t.Error("the next VM has another workspace")
	}
	r.stop()
	r.over()
}

// TestDiskFullWhileRestoring: it is said, nothing of it appears, and the good
// backup stays what it is.
func TestDiskFullWhileRestoring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	large := make([]byte, 3<<20)
	_, _ = rand.Read(large)
	must(t, os.WriteFile(filepath.Join(w.workspace(), "large"), large, 0o644))
	w.plane.Stop(dcm.StopUser, false)
	first.over()

	w.newVM(t)
	d := w.newDisk(t, "2m")
	p := d.start(t)
	w.await(t, state(dcm.AgentFailed))
	beats := w.plane.Heartbeats()
	problem := beats[len(beats)-1].Error
	if problem == nil || problem.Code != dcm.ProblemRestoreFailed || !strings.Contains(problem.Message, "disk is full") {
		t.Errorf("the problem is %+v", problem)
	}
	if left, err := os.ReadDir(d.at(w.workspace())); len(left) != 0 {
		t.Errorf("there is a part of it: %v, %v", left, err)
	}
	if left, _ := filepath.Glob(d.at(filepath.Join(w.root, ".workspace.incoming-*"))); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	w.plane.Stop(dcm.StopCreateFailed, true)
	await(t, w, p, false)
	if got := w.cleanup(t); !got.Discard || got.Generation != 1 || w.plane.Calls("start") != 0 || w.plane.Generation() != 1 {
		t.Errorf("the cleanup is %+v", got)
	}

	// A larger VM carries on.
	w.newVM(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if b, err := os.ReadFile(filepath.Join(w.workspace(), "large")); !bytes.Equal(b, large) {
		t.Errorf("the workspace is not what it was: %v", err)
	}
	r.stop()
	r.over()
}
