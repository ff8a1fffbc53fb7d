package guest_test

import (
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

// setAhead moves the clock of a guest's agent, which never reads half of it.
func (w *world) setAhead(v vm, d time.Duration) {
	w.t.Helper()
	path := filepath.Join(w.root(v), clockFile)
	if err := os.WriteFile(path+".new", []byte(d.String()), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}
