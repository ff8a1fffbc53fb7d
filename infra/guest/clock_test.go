package guest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// clockFile holds how far the clock of a guest's agent is ahead, if its disk was
// prepared by aheadBy.
const clockFile = "/etc/ahead"

// aheadBy gives each new disk's agent a clock that is ahead of the machine's.
func aheadBy(d time.Duration) func(root string) error {
	return func(root string) error {
		unit := filepath.Join(root, "etc/systemd/system/dcm-agent.service.d")
		if err := os.MkdirAll(unit, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, clockFile), []byte(d.String()), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(unit, "clock.conf"), []byte("[Service]\nEnvironment=DCM_LOCAL_CLOCK="+clockFile+"\n"), 0o644)
	}
}

// setAhead moves the clock of a guest's agent. The agent never reads half of it.
func (w *world) setAhead(v vm, d time.Duration) {
	w.t.Helper()
	w.mustRun(v, "sh", "-c", fmt.Sprintf("echo %[2]s > %[1]s.new && mv %[1]s.new %[1]s", clockFile, d))
}
