package machine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// adoptOrphans makes this process the parent of whatever its descendants leave
// behind, instead of init: so that a server's processes stay its descendants.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // else only the mark tells them
}

// killMarked kills every process of the server whose directory mark is, until
// none is left: one may fork while the others die.
func killMarked(mark string) {
	for range 100 {
		found := false
		for _, id := range strays(mark) {
			found = true
			_ = syscall.Kill(id, syscall.SIGKILL)
			if parent, ok := parentOf(id); ok && parent == os.Getpid() {
				_, _ = syscall.Wait4(id, nil, 0, nil) // nobody else does
			}
		}
		if !found {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// strays lists the processes that carry the mark, however they came to be, and
// those that dropped it with the rest of their environment, but descend from
// this process and have to do with the server's directory. Somebody who just
// looks into the directory, with a shell of their own, is neither.
func strays(mark string) []int {
	var all []int
	for _, id := range processes() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id)); err == nil && hasVariable(b, []byte(marker+"="+mark)) {
			all = append(all, id)
		}
	}
	for _, id := range descendants(os.Getpid()) {
		if !slices.Contains(all, id) && uses(id, mark) {
			all = append(all, id)
		}
	}
	return all
}

// uses reports whether a process works in a directory, runs a program from
// there or has a file of it open.
func uses(id int, dir string) bool {
	proc := fmt.Sprintf("/proc/%d/", id)
	links, _ := filepath.Glob(proc + "fd/*")
	for _, link := range append(links, proc+"cwd", proc+"root", proc+"exe") {
		if path, err := os.Readlink(link); err == nil && (path == dir || strings.HasPrefix(path, dir+"/")) {
			return true
		}
	}
	return false
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
