package terminal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// gone reports whether a process has ended. A zombie has: only its parent has
// not looked yet.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(fields) > 0 && fields[0][0] == 'Z'
}
