package workspace_test

import (
	"bufio"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
)

func TestHost(t *testing.T) {
	t.Setenv("DCM_LOCAL_CLOCK", "/clock")
	t.Setenv("SHELL", "/bin/sh")
	h := &workspace.Host{Dir: t.TempDir(), VM: "vm-hosttest22"}
	processes := &proc.Workspace{Mark: h.Mark()}
	h.Processes = processes.PIDs

	shell := h.Shell()
	in, err := shell.StdinPipe()
	must(t, err)
	out, err := shell.StdoutPipe()
	must(t, err)
	must(t, shell.Start())
	// A job that detaches itself and ignores every polite signal.
	_, err = io.WriteString(in, "setsid sh -c 'trap \"\" HUP TERM; echo job; while :; do sleep 1; done' </dev/null &\n"+
		"wait\n")
	must(t, err)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "job" {
		t.Errorf("the job said %q", lines.Text())
	}
	must(t, h.Stop(context.Background()))
	_ = shell.Wait()
	left, err := h.Processes()
	must(t, err)
	if len(left) != 0 {
		t.Errorf("%v still run", left)
	}
	if shell.Dir != h.Dir || slices.Contains(shell.Env, "DCM_LOCAL_CLOCK=/clock") || !slices.Contains(shell.Env, h.Mark()) {
		t.Errorf("the shell starts in %s with %v", shell.Dir, shell.Env)
	}
}
