package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/<pid>/stat, the same on every Linux.
const tick = 10 * time.Millisecond

// List reads all processes. One that ends meanwhile is left out.
func List() ([]Process, error) {
	names, err := pids()
	if err != nil {
		return nil, err
	}
	all := make([]Process, 0, len(names))
	for _, pid := range names {
		if p, ok := read(pid); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

func pids() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var all []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	return all, nil
}

func file(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// read parses /proc/<pid>/stat, see proc_pid_stat(5). The second field, a
// name in parentheses, may itself contain both.
func read(pid int) (Process, bool) {
	b, err := os.ReadFile(file(pid, "stat"))
	if err != nil {
		return Process{}, false
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return Process{}, false
	}
	number := func(i int) uint64 { n, _ := strconv.ParseUint(string(fields[i]), 10, 64); return n }
	return Process{
		PID: pid, Parent: int(number(1)), Start: number(19),
		CPU:    time.Duration(number(11)+number(12)+number(13)+number(14)) * tick,
		Zombie: fields[0][0] == 'Z' || fields[0][0] == 'X',
	}, true
}

// carries reports whether a process was started with mark in its environment.
func carries(pid int, mark string) bool {
	if mark == "" {
		return false
	}
	b, err := os.ReadFile(file(pid, "environ"))
	return err == nil && bytes.Contains(append([]byte{0}, b...), []byte("\x00"+mark+"\x00"))
}

// Entrants lists the processes that carry mark ("NAME=value") and were put into a
// container from outside, as docker exec does; not what those have started.
func Entrants(mark string) []int {
	all, err := List()
	if err != nil {
		return nil
	}
	var found []int
	for _, p := range all {
		if !p.Zombie && carries(p.PID, mark) && !sameNumbering(p.PID, p.Parent) {
			found = append(found, p.PID)
		}
	}
	return found
}

// sameNumbering reports whether two processes are in one process namespace, or
// one of them is gone.
func sameNumbering(a, b int) bool {
	inA, errA := os.Readlink(file(a, "ns/pid"))
	inB, errB := os.Readlink(file(b, "ns/pid"))
	return errA != nil || errB != nil || inA == inB
}

// isLogin reports whether systemd counts a process to a user's session.
func isLogin(pid int) bool {
	b, err := os.ReadFile(file(pid, "cgroup"))
	return err == nil && bytes.Contains(b, []byte("/user.slice/"))
}

// Spent is what a process's control group has computed since it was made: of a
// container, all of it. A process that has ended has nothing to spend any more.
func Spent(pid int) (time.Duration, error) {
	b, err := os.ReadFile(file(pid, "cgroup"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the container's control group: %w", err)
	}
	// Of a machine that has both versions, the newer one: there the container
	// engines have their groups.
	old := ""
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" {
			if d, ok := version2(parts[2]); ok {
				return d, nil
			}
		}
		if slices.Contains(strings.Split(parts[1], ","), "cpuacct") {
			old = parts[2]
		}
	}
	if old != "" {
		return version1(old)
	}
	return 0, fmt.Errorf("process %d is in no control group that accounts for CPU", pid)
}

func version2(group string) (time.Duration, bool) {
	b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", group, "cpu.stat"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return time.Duration(n) * time.Microsecond, err == nil
		}
	}
	return 0, false
}

func version1(group string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpuacct", group, "cpuacct.usage"))
	if err != nil {
		return 0, fmt.Errorf("read the container's CPU time: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return time.Duration(n), err
}

// session matches what OpenSSH's server calls itself while it serves a login:
// "sshd: root@pts/0", "sshd: root@notty", since 9.8 "sshd-session: root@…".
var session = regexp.MustCompile(`^sshd(?:-session)?: \S+@(\S+)`)

// Logins lists the terminals of all SSH sessions: "pts/0", or "notty" for one
// that has none, such as an editor's or a copy.
func Logins() ([]string, error) {
	all, err := pids()
	if err != nil {
		return nil, err
	}
	var terminals []string
	for _, pid := range all {
		b, err := os.ReadFile(file(pid, "cmdline"))
		if err != nil {
			continue
		}
		if m := session.FindSubmatch(bytes.TrimRight(b, "\x00")); m != nil {
			terminals = append(terminals, strings.Split(string(m[1]), ",")...)
		}
	}
	return terminals, nil
}
