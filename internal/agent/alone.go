package agent

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/tree"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// heard is when the control plane last took a heartbeat.
type heard struct {
	mu sync.Mutex
	at time.Time
}

func (h *heard) note(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = latest(h.at, now)
}

// since is the later of the two: from, or when it was last heard.
func (h *heard) since(from time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return latest(h.at, from)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// watchAlone gives an ending up once no control plane has taken a heartbeat for
// dcm.AloneAfter: by then any that is alive has given the VM up itself. It
// returns what ends the watch, and what reports whether it gave up.
func (a *agent) watchAlone() (end func(), alone func() bool) {
	ctx, cancel := context.WithCancel(a.life)
	gaveUp, done := false, make(chan struct{})
	from := a.clock.Now()
	go func() {
		defer close(done)
		for {
			if !until(ctx, a.clock, from.Add(dcm.AloneAfter), a.pace.poll, nil) {
				return
			}
			if last := a.heard.since(from); last.After(from) {
				from = last
				continue
			}
			if a.beat(ctx) == nil { // asked once more: only the clock has moved
				from = a.clock.Now()
				continue
			}
			gaveUp = true
			a.endLife()
			return
		}
	}()
	return func() { cancel(); <-done }, func() bool { return gaveUp }
}

// switchOff ends a VM that nobody hears: what could not be uploaded is kept on
// its disk, and the machine is switched off. It is not over: should somebody
// switch it on again, the agent carries on with the ending.
func (a *agent) switchOff() error {
	a.log.Error("no control plane has answered for too long: this machine is switched off", "after", dcm.AloneAfter)
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
