package store

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// LaunchContext is one batch read, strongly consistent. The items are not read
// as of one moment: CreateVM checks again all that matters.
func (t *tenantStore) LaunchContext(ctx context.Context, w dcm.WorkspaceID, idemKey string) (dcm.LaunchContext, error) {
	if w != "" && !w.Valid() {
		return dcm.LaunchContext{}, noWorkspace()
	}
	keys := platformRateKeys()
	if w != "" {
		keys = append(keys, workspaceKey(t.id, w))
	}
	if idemKey != "" {
		keys = append(keys, idempotencyKey(t.id, idemKey))
	}
	known, err := t.readWithAccounts(ctx, keys...)
	if err != nil {
		return dcm.LaunchContext{}, fmt.Errorf("read launch context: %w", err)
	}
	if w != "" && known.workspace == nil {
		return dcm.LaunchContext{}, noWorkspace()
	}
	return dcm.LaunchContext{Accounts: known.accounts, Workspace: known.workspace, Earlier: known.idempotency}, nil
}
