package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// PutProviderAccount makes the tenant due, and is then one conditional update,
// which does not touch the count of VMs.
func (t *tenantStore) PutProviderAccount(ctx context.Context, a dcm.ProviderAccount, replaces dcm.AccountID) error {
	if !slices.Contains(dcm.ProviderNames, a.Provider) || a.ID == dcm.PlatformAccount {
		return fmt.Errorf("put provider account: provider %q or id %q is not valid", a.Provider, a.ID)
	}
	condition := equalsOrAbsent(attrAccountID, string(replaces))
	if replaces != a.ID {
		condition = condition.And(unused())
	}
	item := itemOfProviderAccount(t.id, a)
	var e edit
	if err := e.setAll(item); err != nil {
		return fmt.Errorf("put account at %s: %w", a.Provider, err)
	}
	if a.Problem == nil {
		e.remove(attrProblem)
	}
	if replaces != a.ID {
		// Another account has another limit.
		e.remove(attrRate)
	}
	if err := t.reconcileDue(ctx); err != nil {
		return fmt.Errorf("put account at %s: %w", a.Provider, err)
	}
	_, won, err := t.update(ctx, item.key, &condition, e.UpdateBuilder)
	if err == nil && !won {
		err = dcm.ErrLostRace
	}
	if err != nil {
		return fmt.Errorf("put account at %s: %w", a.Provider, err)
	}
	return nil
}

// RemoveProviderAccount is one conditional delete: a transaction of its own, so
// that a lost answer is not taken for an account that never was.
func (t *tenantStore) RemoveProviderAccount(ctx context.Context, provider string) error {
	if !slices.Contains(dcm.ProviderNames, provider) {
		return noProviderAccount()
	}
	condition := exists().And(unused())
	err := t.transact(ctx, write{
		key: providerKey(t.id, provider), condition: &condition,
		refused: orMissing(noProviderAccount, "VMs depend on the account"),
	})
	if err != nil {
		return fmt.Errorf("remove account at %s: %w", provider, err)
	}
	return nil
}

// unused is the condition that no VM depends on an account.
func unused() expression.ConditionBuilder {
	return absent(attrActiveVMs).Or(equals(attrActiveVMs, 0))
}

// NoteProviderAccount is one conditional update. ErrLostRace if the account is
// another by now, CodeNotFound if there is none.
func (t *tenantStore) NoteProviderAccount(
	ctx context.Context, provider string, id dcm.AccountID, checkedAt time.Time, p *dcm.Problem,
) error {
	if !slices.Contains(dcm.ProviderNames, provider) {
		return noProviderAccount()
	}
	same := equals(attrAccountID, string(id))
	var e edit
	e.setTime(attrCheckedAt, &checkedAt)
	if p != nil {
		e.set(attrProblem, itemOfProblem(p))
	} else {
		e.remove(attrProblem)
	}
	return t.changeAccount(ctx, provider, same, e.UpdateBuilder)
}

func (t *tenantStore) changeAccount(
	ctx context.Context, provider string, condition expression.ConditionBuilder, update expression.UpdateBuilder,
) error {
	var item map[string]types.AttributeValue
	item, won, err := t.update(ctx, providerKey(t.id, provider), &condition, update)
	switch {
	case err != nil:
		return fmt.Errorf("change account at %s: %w", provider, err)
	case len(item) == 0:
		return noProviderAccount()
	case !won:
		return fmt.Errorf("change account at %s: %w", provider, dcm.ErrLostRace)
	default:
		return nil
	}
}
