package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Remover removes the tenants' own accounts at providers.
type Remover struct {
	Store dcm.Store
}

// Remove removes the tenant's account at the provider, so that its next VMs
// are in the platform's. Errors: CodeNotFound; CodeConflict naming the VMs that
// depend on it.
func (r *Remover) Remove(ctx context.Context, t dcm.TenantID, provider string) error {
	tenant := r.Store.Tenant(t)
	err := tenant.RemoveProviderAccount(ctx, provider)
	if err == nil || dcm.ErrorCode(err) == dcm.CodeNotFound {
		return err
	}
	if !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("remove the account of %s at %s: %w", t, provider, err)
	}
	known, readErr := tenant.Accounts(ctx)
	if readErr != nil {
		return fmt.Errorf("read the accounts of %s: %w", t, readErr)
	}
	dependent, readErr := dependents(ctx, tenant, known.Providers[provider])
	if readErr != nil {
		return readErr
	}
	if len(dependent) == 0 {
		return meanwhile(err)
	}
	names := make([]string, 0, len(dependent))
	for _, vm := range dependent {
		names = append(names, string(vm.ID))
	}
	return dcm.Errorf(dcm.CodeConflict, "the account at %s is in use by %s; stop them first", provider, listed(names)).WithCause(err)
}

// dependents are the VMs that need the account for their end, as many as it
// counts. The list behind it may lag by a moment, and lack the newest.
func dependents(ctx context.Context, t dcm.TenantStore, a dcm.ProviderAccount) ([]dcm.VM, error) {
	var found []dcm.VM
	for cursor := ""; len(found) < a.ActiveVMs; {
		page, err := t.VMs(ctx, dcm.VMQuery{Limit: 100, Cursor: cursor})
		if err != nil {
			return nil, fmt.Errorf("list the VMs at %s: %w", a.Provider, err)
		}
		for _, vm := range page.Items {
			if vm.Status.Active() && vm.Provider == a.Provider && vm.AccountID == a.ID {
				found = append(found, vm)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	return found, nil
}

// maxListed keeps an answer short.
const maxListed = 10

func listed(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}
