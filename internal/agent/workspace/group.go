package workspace

import (
	"os/exec"
	"syscall"
	"time"
)

// inOwnGroup makes a command's end the end of everything it started, and keeps
// a Ctrl-C in the agent's terminal from it.
func inOwnGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
}
