package machine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// descendants lists the children of a process, their children, and so on.
func descendants(parent int) []int {
	children := map[int][]int{}
	for _, id := range processes() {
		if p, ok := parentOf(id); ok {
			children[p] = append(children[p], id)
		}
	}
	var all []int
	next := []int{parent}
	for len(next) > 0 {
		id := next[0]
		next = append(next[1:], children[id]...)
		all = append(all, children[id]...)
	}
	return all
}

// The fields of /proc/*/stat after the name.
const (
	statParent   = 1
	statTerminal = 4
)

func parentOf(id int) (int, bool) { return stat(id, statParent) }

// stat reads a number after the name, which is in parentheses and may contain
// anything.
func stat(id, field int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) <= field {
		return 0, false
	}
	n, err := strconv.Atoi(string(fields[field]))
	return n, err == nil
}

// killMarked kills every process that carries the mark, or, having got rid of
// its environment, still works somewhere on the server's disk, until none is
// left: one may fork while the others die. The mark is the disk's path.
func killMarked(mark string) {
	variable := []byte(marker + "=" + mark)
	disk, err := filepath.EvalSymlinks(mark)
	if err != nil {
		disk = mark
	}
	for range 100 {
		found := false
		for _, id := range processes() {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id))
			if (err != nil || !hasVariable(b, variable)) && !worksIn(id, disk) {
				continue
			}
			found = true
			_ = syscall.Kill(id, syscall.SIGKILL)
		}
		if !found {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// worksIn reports whether a process works in or below dir, and has no terminal:
// one that has may be the shell of somebody who looks at the server's disk.
func worksIn(id int, dir string) bool {
	if terminal, ok := stat(id, statTerminal); !ok || terminal != 0 {
		return false
	}
	at, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", id))
	at = strings.TrimSuffix(at, " (deleted)")
	return err == nil && (at == dir || strings.HasPrefix(at, dir+"/"))
}

func hasVariable(environ, variable []byte) bool {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(v, variable) {
			return true
		}
	}
	return false
}

func processes() []int {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var ids []int
	for _, name := range names {
		if id, err := strconv.Atoi(filepath.Base(name)); err == nil && id != os.Getpid() {
			ids = append(ids, id)
		}
	}
	return ids
}
