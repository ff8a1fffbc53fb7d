package agent

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// MachineComesBack reports whether systemd ends the agent only for a while:
// the machine reboots, or somebody restarts the agent, as a package's upgrade
// may. If systemd can't be asked, it does not.
func MachineComesBack() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain").Output()
	return err == nil && comesBack(string(out))
}

// comesBack reads systemd's jobs: number, unit, type and state, one a line.
func comesBack(jobs string) bool {
	for line := range strings.Lines(jobs) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		switch unit, kind := fields[1], fields[2]; {
		case kind == "start" && (unit == "reboot.target" || unit == "kexec.target" || unit == "soft-reboot.target"):
			return true
		case kind == "restart" && unit == "dcm-agent.service":
			return true
		}
	}
	return false
}
