package workspace

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// record is what is known of a container when the agent starts again.
type record struct {
	Container containerUp  `json:"container"`
	Problem   *dcm.Problem `json:"problem,omitempty"`
}

func (d *Devcontainer) recordPath() string { return filepath.Join(d.StateDir, "container.json") }

// remember keeps the container's record. Without it, the next start goes the
// long way.
func (d *Devcontainer) remember(problem *dcm.Problem) {
	b, err := json.Marshal(record{d.up, problem})
	if err == nil {
		err = os.WriteFile(d.recordPath(), b, 0o600)
	}
	if err != nil {
		d.Logger.Warn("the container can't be remembered", "error", err)
	}
}

// running takes up the container that is on record, if it still runs.
func (d *Devcontainer) running(ctx context.Context) (record, bool) {
	var known record
	b, err := os.ReadFile(d.recordPath())
	if err != nil || json.Unmarshal(b, &known) != nil || known.Container.ContainerID == "" {
		return record{}, false
	}
	if d.inspect(ctx, &known.Container) != nil || known.Container.pid == 0 {
		return record{}, false
	}
	d.up = known.Container
	return known, true
}
