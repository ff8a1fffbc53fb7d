//go:build linux

package proc_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWorkspaceFindsItsProcesses(t *testing.T) {
	t.Parallel()
	const mark = "DCM_TEST_MARK=find-my-processes"
	// A marked shell; a child of it without any environment; a job that has
	// left its session and lost its parent. The ids of the latter two are told.
	shell := exec.Command("sh", "-c", `exec 3<&0; env -i sh -c 'echo $$; read x' <&3 & `+
		`(setsid sh -c 'echo $$; read x' <&3 &); wait`)
	shell.Env = append(os.Environ(), mark)
	in, err := shell.StdinPipe()
	must(t, err)
	out, err := shell.StdoutPipe()
	must(t, err)
	must(t, shell.Start())
	lines := bufio.NewScanner(out)
	pids := []int{shell.Process.Pid}
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the shell says nothing")
		}
		pid, err := strconv.Atoi(lines.Text())
		must(t, err)
		pids = append(pids, pid)
	}
	other := exec.Command("sh", "-c", "read x")
	_, err = other.StdinPipe()
	must(t, err)
	must(t, other.Start())
	t.Cleanup(func() {
		for _, pid := range append(pids, other.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_, _ = shell.Wait(), other.Wait()
	})

	w := proc.Workspace{Mark: mark}
	found, err := w.PIDs()
	must(t, err)
	for _, pid := range pids {
		if !slices.Contains(found, pid) {
			t.Errorf("%d of %v is not among %v", pid, pids, found)
		}
	}
	for _, pid := range []int{os.Getpid(), other.Process.Pid, 1} {
		if slices.Contains(found, pid) {
			t.Errorf("%d is no process of the workspace", pid)
		}
	}
}

func TestListCountsComputing(t *testing.T) {
	t.Parallel()
	c := exec.Command("sh", "-c", `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read x`)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	defer func() { _ = in.Close(); _ = c.Wait() }()
	if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "done" {
		t.Fatalf("it said %q", line)
	}
	all, err := proc.List()
	must(t, err)
	for _, p := range all {
		if p.PID == c.Process.Pid {
			if p.CPU == 0 || p.Parent != os.Getpid() || p.Zombie || p.Start == 0 {
				t.Errorf("it is %+v", p)
			}
			return
		}
	}
	t.Error("it is not listed")
}

func TestSpentOfAProcessThatEnded(t *testing.T) {
	t.Parallel()
	if d, err := proc.Spent(1 << 30); d != 0 || err != nil {
		t.Errorf("spent %v, %v", d, err)
	}
}
