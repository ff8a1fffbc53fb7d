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
}

// newTracer begins when the agent does. On a machine's first boot it knows
// what came before; on one that only carries on, that would be nonsense.
func newTracer(root string, first bool) *tracer {
	t := &tracer{last: time.Now()}
	if !first {
		return t
	}
	info, err := os.Stat(filepath.Join("/", root, firstInstruction))
	if err != nil {
		return t
	}
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
