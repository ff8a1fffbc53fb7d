// Package lifecycle is what happens to a VM, a file for each phase: launch,
// bootstrap, heartbeat, backup, stop and release; and what happens to a
// workspace that no VM holds: new keys, other storages, deletion.
//
// Two rules hold throughout. Intent comes before effect: the record that says
// what is about to exist is written before anything outside is asked for it,
// so that a crash leaves a record to clean up and never a server without one.
// And release is the only code that deletes a VM.
package lifecycle

import (
	"io"
	"log/slog"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Common is what every phase needs.
type Common struct {
	Store dcm.Store
	Clock dcm.Clock
	Log   *slog.Logger
	Meter dcm.Meter
	// Random makes ids.
	Random io.Reader
	// Installation is this deployment's id.
	Installation string
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
