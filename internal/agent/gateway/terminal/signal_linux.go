package terminal

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// signalSession sends a signal to every living process of a session, which its
// leader's id names, and returns how many there were. Job control puts each job
// into a process group of its own, so one group would not do.
func signalSession(leader int, signal syscall.Signal) int {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	found := 0
	for _, entry := range processes {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !inSession(pid, leader) {
			continue
		}
		found++
		_ = syscall.Kill(pid, signal)
		if signal == syscall.SIGHUP {
			_ = syscall.Kill(pid, syscall.SIGCONT) // a stopped job would never see it
		}
	}
	return found
}

// inSession reads /proc/<pid>/stat: "pid (name) state ppid pgrp session …",
// where the name may hold anything. A zombie has ended already.
func inSession(pid, leader int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return false
	}
	session, err := strconv.Atoi(string(fields[3]))
	return err == nil && session == leader
}
