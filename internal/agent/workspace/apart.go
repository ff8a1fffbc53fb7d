package workspace

import (
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Apart reports whether systemd runs this machine, and can run a terminal as a
// unit of its own.
func Apart() bool {
	_, err := os.Stat("/run/systemd/system")
	_, missing := exec.LookPath("systemd-run")
	return err == nil && missing == nil
}

// apart makes a command that has systemd run words as a unit of its own, on
// the terminal that the command itself is given. The agent's sandbox would be
// inherited by a child of the agent, and take sudo, apt and the kernel's
// settings from a user whose machine it is; and whatever ends the agent for a
// while would end what its user runs.
func apart(dir string, env []string, words ...string) *exec.Cmd {
	args := []string{"--quiet", "--collect", "--pty", "--service-type=exec", "--working-directory=" + dir, "--description=A terminal"}
	for _, property := range []string{
		// What the user has left running outlives the shell, as on any machine.
		"KillMode=process", "SendSIGHUP=yes", "IgnoreSIGPIPE=no", "OOMPolicy=continue", "TasksMax=infinity", "LimitNOFILE=1048576",
		// At shutdown it lives until the agent has saved the workspace.
		"Before=dcm-agent.service",
	} {
		args = append(args, "--property="+property)
	}
	for _, v := range env {
		args = append(args, "--setenv="+v)
	}
	c := exec.Command("systemd-run", append(append(args, "--"), words...)...)
	// Newer versions colour the background of what runs as root, and name it in
	// the title.
	c.Env = append(slices.Clone(env), "SYSTEMD_TINT_BACKGROUND=0", "SYSTEMD_ADJUST_TERMINAL_TITLE=0")
	c.Dir = dir
	return c
}

// withoutUnit leaves out what systemd told the agent about its own unit.
func withoutUnit(env []string) []string {
	own := map[string]bool{
		"INVOCATION_ID": true, "JOURNAL_STREAM": true, "SYSTEMD_EXEC_PID": true, "MEMORY_PRESSURE_WATCH": true,
		"MEMORY_PRESSURE_WRITE": true, "STATE_DIRECTORY": true, "RUNTIME_DIRECTORY": true, "NOTIFY_SOCKET": true,
	}
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return own[name]
	})
}
