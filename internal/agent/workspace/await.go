package workspace

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
)

// EngineUnit installs what dev containers need, beside the agent's own start.
const EngineUnit = "dcm-devcontainer.service"

// AwaitEngine waits for the unit that installs what a Devcontainer needs, "" for
// none: starting it waits for it while it is on its way, tries once more if it
// failed, and does nothing if it is done. An error says which program is missing.
func AwaitEngine(ctx context.Context, unit string, log *slog.Logger) error {
	if unit != "" {
		if out, err := exec.CommandContext(ctx, "systemctl", "start", unit).CombinedOutput(); err != nil {
			log.Warn("the container engine's installation failed", "error", err, "said", strings.TrimSpace(string(out)))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, program := range []string{"docker", "devcontainer"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the VM's image lacks %s, and it could not be installed (journalctl -u %s)", program, EngineUnit)
		}
	}
	return nil
}
