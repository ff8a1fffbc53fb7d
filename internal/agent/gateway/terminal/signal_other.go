//go:build !linux

package terminal

import "syscall"

// signalSession sends a signal to the shell's own process group. The agent runs
// on Linux; elsewhere, which is for development only, jobs end by the hang-up
// that closing their terminal brings.
func signalSession(leader int, signal syscall.Signal) int {
	if syscall.Kill(-leader, signal) != nil {
		return 0
	}
	if signal == syscall.SIGKILL {
		return 0
	}
	return 1
}
