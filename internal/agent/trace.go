package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// firstInstruction is a file that user-data writes before anything of it runs.
const firstInstruction = "usr/local/lib/dcm/install"

// tracer measures a boot. It is used by one goroutine.
type tracer struct {
	trace dcm.BootTrace
	last  time.Time
	root  string
	// began is our first instruction; zero if this start is not of that boot.
	began time.Time
}

// newTracer begins when the agent does. On a machine's first boot it knows
// what came before; on one that only carries on, that would be nonsense.
func newTracer(root string, first bool) *tracer {
	t := &tracer{last: time.Now(), root: root}
	if !first {
		return t
	}
	info, err := os.Stat(filepath.Join("/", root, firstInstruction))
	if err != nil {
		return t
	}
	t.began = info.ModTime()
	t.trace.Installing = dcm.TenthsOf(time.Since(info.ModTime()))
	if age, ok := machineAge(); ok && root == "" {
		t.trace.Machine = dcm.TenthsOf(age - time.Since(info.ModTime()))
	}
	return t
}

// done says that a part of the boot has ended.
func (t *tracer) done(part *dcm.Tenths) {
	now := time.Now()
	*part += dcm.TenthsOf(now.Sub(t.last))
	t.last = now
}

// countPackages notes how many packages this boot has installed: those whose list
// of files is younger than it, and the devcontainer CLI, which is no package of
// the system's. It counts what others have installed meanwhile as well.
func (t *tracer) countPackages() {
	if t.began.IsZero() {
		return
	}
	lists, err := filepath.Glob(filepath.Join("/", t.root, "var/lib/dpkg/info/*.list"))
	if err != nil {
		return
	}
	n := 0
	for _, path := range append(lists, filepath.Join("/", t.root, "usr/local/bin/devcontainer"), filepath.Join("/", t.root, "usr/bin/devcontainer")) {
		if info, err := os.Lstat(path); err == nil && info.ModTime().After(t.began) {
			n++
		}
	}
	t.trace.Packages = dcm.PackagesOf(n)
}

// machineAge is how long ago the machine's first process began.
func machineAge() (time.Duration, bool) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, false
	}
	uptime, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	if err != nil {
		return 0, false
	}
	all, err := proc.List()
	if err != nil {
		return 0, false
	}
	for _, p := range all {
		if p.PID == 1 {
			return time.Duration(uptime*float64(time.Second)) - time.Duration(p.Start)*10*time.Millisecond, true
		}
	}
	return 0, false
}
