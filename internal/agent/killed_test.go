package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// killable is an agent that a fault of the plane can kill.
type killable struct {
	mu sync.Mutex
	p  *process
}

func (k *killable) start(t *testing.T, w *world) *process {
	t.Helper()
	built.Store(true)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.p = w.start(t)
	t.Cleanup(func() { _ = k.p.Process.Kill() })
	return k.p
}

func (k *killable) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.p.Process.Kill()
}

// endsWith stops the VM, and checks that the next has exactly this work.
func (w *world) endsWith(t *testing.T, p *process, work string) {
	t.Helper()
	must(t, p.Process.Signal(syscall.SIGTERM))
	await(t, w, p, false)
	cleanups := w.plane.Cleanups()
	if len(cleanups) == 0 || cleanups[len(cleanups)-1].Discard || cleanups[len(cleanups)-1].Generation != w.plane.Generation() {
		t.Fatalf("the cleanups are %+v, the workspace at %d\n%s", cleanups, w.plane.Generation(), w.log)
	}
	w.newVM(t)
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	if got := describe(t, w.workspace()); got != work {
		t.Errorf("the next VM has\n%s\ninstead of\n%s", got, work)
	}
	r.stop()
	r.over()
}

// restored is a world whose VM has restored a workspace, in a process.
func restored(t *testing.T) (*world, *killable, *process) {
	t.Helper()
	w := newWorld(t)
	w.plane.Answer.IdleTimeoutMinutes = 24 * 60
	r := w.run(t)
	w.await(t, state(dcm.AgentRunning))
	w.fill(t)
	r.stop()
	r.over()
	w.newVM(t)
	k := &killable{}
	p := k.start(t, w)
	w.await(t, state(dcm.AgentRunning))
	return w, k, p
}

func TestKilledWhileCloning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	real, err := exec.LookPath("git")
	must(t, err)
	bin, marks := t.TempDir(), t.TempDir()
	// The first clone leaves a part of a workspace, and never ends by itself.
	script := fmt.Sprintf(`#!/bin/sh
if [ ! -e %[1]s/begun ]; then
	for last; do :; done
	mkdir -p "$last" && echo half >"$last/half"
	touch %[1]s/begun
	exec sleep 1000
fi
exec %[2]s "$@"
`, marks, real)
	must(t, os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755))
	k := &killable{}
	built.Store(true)
	path, err := binary()
	must(t, err)
	start := func() *process {
		p := &process{exec.Command(path, "--root", w.root, "--config", w.config(), "--listen", "127.0.0.1:0"), make(chan error, 1)}
		p.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		p.Stderr = w.log
		must(t, p.Start())
		t.Cleanup(func() { _ = p.Process.Kill() })
		go func() { p.done <- p.Wait() }()
		return p
	}
	k.p = start()
	w.await(t, func(*agenttest.View) bool {
		_, err := os.Stat(filepath.Join(marks, "begun"))
		return err == nil
	})
	k.kill()
	await(t, w, k.p, true)
	if left, _ := os.ReadDir(w.workspace()); len(left) != 0 {
		t.Errorf("half a workspace is there: %v", left)
	}
	p := start()
	w.await(t, state(dcm.AgentRunning))
	if left, _ := filepath.Glob(filepath.Join(w.root, ".workspace.incoming-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(w.workspace(), "half")); err == nil {
		t.Error("what the killed clone left is in the workspace")
	}
	w.endsWith(t, p, describe(t, w.workspace()))
}

// TestKilledWhileSavingNowAndThen kills the agent in the middle of a backup of
// a running workspace, which the user goes on changing while no agent runs.
func TestKilledWhileSavingNowAndThen(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"start", "parts", "put", "complete"} {
		for _, late := range []bool{false, true} {
			t.Run(route+map[bool]string{false: " before", true: " after"}[late], func(t *testing.T) {
				t.Parallel()
				w, k, p := restored(t)
				w.write(t, "changed")
				w.plane.Inject(agenttest.Fault{Route: route, Count: 1, Before: k.kill, LoseAnswer: late, Status: 503})
				w.advance(t, 16*time.Minute)
				await(t, w, p, true)
				w.write(t, "while nobody looked")
				work, gets := describe(t, w.workspace()), w.plane.Calls("get")
				p = k.start(t, w)
				beats := len(w.plane.Heartbeats())
				w.await(t, func(v *agenttest.View) bool { return v.Beats() > beats && v.Last().State == dcm.AgentRunning })
				if describe(t, w.workspace()) != work || w.plane.Calls("get") != gets {
					t.Error("it restored once more")
				}
				w.endsWith(t, p, work)
			})
		}
	}
}

// TestNeverRestoresOverWork takes from the agent all it may not have had the
// time to note: that the workspace is there, and that somebody worked in it.
func TestNeverRestoresOverWork(t *testing.T) {
	t.Parallel()
	w, k, p := restored(t)
	var answer map[string]any
	b, err := json.Marshal(w.plane.Restore())
	must(t, err)
	must(t, json.Unmarshal(b, &answer))
	k.kill()
	await(t, w, p, true)
	w.write(t, "work")
	path := filepath.Join(w.state(), "state.json")
	text, err := os.ReadFile(path)
	must(t, err)
	var known map[string]any
	must(t, json.Unmarshal(text, &known))
	delete(known, "populated")
	delete(known, "ready")
	delete(known, "saved")
	known["populating"] = true
	known["answer"].(map[string]any)["restore"] = answer
	text, err = json.Marshal(known)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	work, gets := describe(t, w.workspace()), w.plane.Calls("get")
	p = k.start(t, w)
	beats := len(w.plane.Heartbeats())
	w.await(t, func(v *agenttest.View) bool { return v.Beats() > beats && v.Last().State == dcm.AgentRunning })
	if describe(t, w.workspace()) != work || w.plane.Calls("get") != gets {
		t.Error("it restored over the work")
	}
	w.endsWith(t, p, work)
}
