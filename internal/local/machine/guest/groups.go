package guest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// groupPrefix begins the names of the guests' control groups, which lie beside
// everybody else's.
const groupPrefix = "dcm-guest-"

// setUpGroups mounts the control groups at dir, whatever version this machine
// has elsewhere.
func setUpGroups(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("mount the control groups: %w", err)
	}
	if err := syscall.Mount("cgroup2", dir, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount the control groups: %w", err)
	}
	return nil
}

func tearDownGroups(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
		return nil // it was never mounted
	}
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the control groups: %w", err)
	}
	return os.Remove(dir)
}

// removeGroup removes a group in which nothing runs, and those within.
func removeGroup(dir string) {
	var groups []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	for i := len(groups) - 1; i >= 0; i-- {
		_ = syscall.Rmdir(groups[i]) // what is busy stays, and holds nothing
	}
}

// initOf finds the guest's first process, as this process numbers it.
func initOf(group string) (int, error) {
	found := 0
	err := filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		for _, pid := range strings.Fields(string(b)) {
			if isInit(pid) {
				_, _ = fmt.Sscan(pid, &found)
				return fs.SkipAll
			}
		}
		return nil
	})
	if err == nil && found == 0 {
		err = fmt.Errorf("%s holds no first process", group)
	}
	return found, err
}

// isInit reports whether a process is the first of a namespace within ours.
func isInit(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}
