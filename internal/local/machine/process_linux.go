package machine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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

// parentOf reads the field after the name, which is in parentheses and may
// contain anything, and the state.
func parentOf(id int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}

// killMarked kills every process that carries the mark, until none is left:
// one may fork while the others die.
func killMarked(mark string) {
	variable := []byte(marker + "=" + mark)
	for range 100 {
		found := false
		for _, id := range processes() {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id))
			if err != nil || !hasVariable(b, variable) {
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
