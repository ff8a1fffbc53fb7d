//go:build !linux

package machine

import "syscall"

// Elsewhere there is no /proc to find strays by: the process group is all that
// is ended, and an agent outlives a stack that was killed.

func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func descendants(int) []int { return nil }

func killMarked(string) {}

func adoptOrphans() {}
