package agent

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// awaitEngine waits until dev containers can be started. On a machine of its own
// user-data has what they need installed while the workspace is cloned.
func (a *agent) awaitEngine(ctx context.Context) error {
	unit := ""
	if a.options.ownsMachine() {
		unit = workspace.EngineUnit
	}
	err := workspace.AwaitEngine(ctx, unit, a.log)
	a.tracer.done(&a.tracer.trace.Preparing)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case a.store.get().Ready:
		return nil // to start it fails as well, and does not end work that is there
	default:
		a.status.fail(problem(dcm.ProblemBuildFailed, err.Error()))
		return fmt.Errorf("start the workspace: %w", err)
	}
}
