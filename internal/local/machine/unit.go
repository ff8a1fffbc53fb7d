package machine

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// agentUnit is how the agent is started, and when again.
type agentUnit struct {
	command   []string // the program and its arguments
	onFailure bool     // start it again after a failure
	pause     time.Duration
}

// agent reads what a unit says of starting its program again. What is not
// known here is an error.
func (u unit) agent(command []string) (agentUnit, error) {
	a := agentUnit{command: command, pause: 100 * time.Millisecond} // systemd's own
	switch u.restart {
	case "", "no":
	case "on-failure":
		a.onFailure = true
	default:
		return a, fmt.Errorf("unit: Restart=%s is not understood", u.restart)
	}
	if u.pause != "" {
		seconds, err := strconv.Atoi(u.pause)
		if err != nil || seconds < 0 {
			return a, fmt.Errorf("RestartSec=%s is not understood", u.pause)
		}
		a.pause = time.Duration(seconds) * time.Second
	}
	return a, nil
}

// again reports whether a program that ended so is to be started again: after
// an exit code other than 0, and after a signal that is not one of those by
// which a program is asked to end.
func (a agentUnit) again(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || !a.onFailure {
		return false
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		switch status.Signal() {
		case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE:
			return false
		}
	}
	return true
}
