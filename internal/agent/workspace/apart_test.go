package workspace_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
)

// TestATerminalApart reads the command by which systemd runs a terminal: in the
// workspace, marked as its own, without what the agent's unit was told. That it
// works is shown on a guest, by make e2e-guest.
func TestATerminalApart(t *testing.T) {
	t.Setenv("INVOCATION_ID", "the agent's")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("SHELL", "/bin/sh")
	h := &workspace.Host{Dir: "/workspace", VM: "vm-hosttest22", Apart: true}
	shell := h.Shell()
	at := slices.Index(shell.Args, "--")
	if shell.Args[0] != "systemd-run" || at < 0 || !slices.Equal(shell.Args[at+1:], []string{"/bin/sh", "-l"}) {
		t.Fatalf("it runs %q", shell.Args)
	}
	for _, want := range []string{
		"--pty", "--collect", "--working-directory=/workspace", "--setenv=" + h.Mark(), "--setenv=TERM=xterm-256color", "--setenv=LANG=C.UTF-8",
		"--property=KillMode=process", "--property=Before=dcm-agent.service",
	} {
		if !slices.Contains(shell.Args[:at], want) {
			t.Errorf("%s is not in %q", want, shell.Args)
		}
	}
	if all := strings.Join(append(shell.Args, shell.Env...), " "); strings.Contains(all, "INVOCATION_ID") || strings.Contains(all, "NOTIFY_SOCKET") {
		t.Errorf("it hears of the agent's unit: %s", all)
	}
}
