package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// watchAlone gives a wait up once no control plane has taken a heartbeat for
// dcm.AloneAfter: by then any that is alive has given the VM up itself. It
// returns what ends the watch, and what reports whether it gave up.
func (a *agent) watchAlone() (end func(), alone func() bool) {
	ctx, cancel := context.WithCancel(a.life)
	gaveUp, done := false, make(chan struct{})
	go func() {
		defer close(done)
		for !a.unheard.spent() || a.beat(ctx) == nil { // asked once more: perhaps only the clock has moved
			if !pass(ctx, a.clock, a.unheard.counted(), noteSilence, a.pace.poll, nil) {
				return
			}
		}
		if ctx.Err() == nil {
			gaveUp = true
			a.endLife()
		}
	}()
	return func() { cancel(); <-done }, func() bool { return gaveUp }
}

// switchOff ends a VM that nobody hears: what could not be uploaded is kept on
// its disk, and the machine is switched off. It is not over: should somebody
// switch it on again, the agent carries on where it was.
func (a *agent) switchOff() error {
	a.log.Error("no control plane has taken this VM's calls for too long: this machine is switched off", "after", dcm.AloneAfter)
	if err := a.keepHere(context.Background()); err != nil {
		// The workspace itself is on the disk all the same.
		a.log.Error("the workspace could not be packed", "error", err)
	}
	if a.options.PowerOff == nil {
		return nil
	}
	if err := a.options.PowerOff(); err != nil {
		return fmt.Errorf("switch the machine off: %w", err)
	}
	return nil
}

// keepHere packs the workspace into the agent's own directory, if it is not
// saved as it is.
func (a *agent) keepHere(ctx context.Context) error {
	known := a.store.get()
	if !known.Ready || a.stop.get().Discard {
		return nil
	}
	look, err := tree.TakeSettled(ctx, a.options.WorkspaceDir)
	if err != nil {
		return err
	}
	if tree.Same(look.All, known.Saved) {
		return nil
	}
	path := filepath.Join(a.options.StateDir, keptFile)
	if err := backup.Keep(ctx, a.options.WorkspaceDir, path); err != nil {
		return err
	}
	a.log.Warn("what is not saved was packed", "file", path)
	return nil
}

// keptFile is what holds a workspace that could not be uploaded: a tar.gz, for
// root alone.
const keptFile = "unsaved-workspace.tar.gz"

// PowerOffMachine asks systemd for it.
func PowerOffMachine() error {
	if out, err := exec.Command("systemctl", "--no-block", "poweroff").CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl poweroff: %w: %s", err, out)
	}
	return nil
}

// MachineBoot names the machine's present boot; empty if that can't be told.
func MachineBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
