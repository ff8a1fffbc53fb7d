package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// keyMaker makes versions of workspaces' keys.
type keyMaker struct {
	Common
	sealer     dcm.Sealer
	identities dcm.IdentityMaker
}

// make makes this version of the workspace's key, if it is the next one, and
// returns the workspace as it is then. Losing the race to make it is as good as
// making it.
func (k keyMaker) make(ctx context.Context, t dcm.TenantStore, ws dcm.Workspace, version int) (dcm.Workspace, error) {
	identity, recipient, err := k.identities.NewIdentity()
	if err != nil {
		return ws, fmt.Errorf("make a key for %s: %w", ws.ID, err)
	}
	key := dcm.WorkspaceKey{WorkspaceID: ws.ID, Version: version, Recipient: recipient, CreatedAt: k.Clock.Now()}
	if key.Sealed, err = k.sealer.Seal(ctx, keyContext(ws.TenantID, key), identity); err != nil {
		return ws, fmt.Errorf("seal the key of %s: %w", ws.ID, err)
	}
	if err := t.AddWorkspaceKey(ctx, key); err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return ws, fmt.Errorf("keep the key of %s: %w", ws.ID, err)
	}
	made, err := t.Workspace(ctx, ws.ID)
	if err != nil {
		return ws, fmt.Errorf("read workspace %s: %w", ws.ID, err)
	}
	return made, nil
}
