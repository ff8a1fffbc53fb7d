package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// PutTenant is one update.
func (t *tenantStore) PutTenant(ctx context.Context, c dcm.TenantChange) (dcm.Tenant, error) {
	var e edit
	e.found(profileWith(c.DefaultQuotas), instantOf(c.At))
	if c.Name != nil {
		e.setOrRemove(attrName, *c.Name)
	}
	if c.Email != nil {
		e.setOrRemove(attrEmail, *c.Email)
	}
	if c.Auth != nil {
		e.set(attrAuth, authItem{Provider: c.Auth.Provider, Issuer: c.Auth.Issuer, Subject: c.Auth.Subject})
	}
	e.setTime(attrUpdatedAt, &c.At)
	return t.changeProfile(ctx, "change tenant", e)
}

// changeProfile makes an update that has no condition.
func (t *tenantStore) changeProfile(ctx context.Context, doing string, e edit) (dcm.Tenant, error) {
	raw, _, err := t.update(ctx, profileKey(t.id), nil, e.UpdateBuilder)
	if err != nil {
		return dcm.Tenant{}, fmt.Errorf("%s: %w", doing, err)
	}
	return t.decodeTenant(doing, raw)
}

func (t *tenantStore) decodeTenant(doing string, raw map[string]types.AttributeValue) (dcm.Tenant, error) {
	p, err := decodeProfile(raw)
	if err != nil {
		return dcm.Tenant{}, fmt.Errorf("%s: decode profile: %w", doing, err)
	}
	return p.tenant(t.id), nil
}

// SetQuotas is one conditional update, or two: how much room a new limit leaves
// follows from the old one, which only a refusal shows.
func (t *tenantStore) SetQuotas(ctx context.Context, q, _ dcm.Quotas, at time.Time) (dcm.Tenant, error) {
	const doing = "set quotas"
	old := int64(0)
	for range quotaTries {
		condition := absent(attrMaxMonthlySpend).Or(equals(attrMaxMonthlySpend, old))
		if old != 0 {
			condition = equals(attrMaxMonthlySpend, old)
		}
		raw, won, err := t.update(ctx, profileKey(t.id), &condition, t.quotaUpdate(q, old, at))
		if err != nil {
			return dcm.Tenant{}, fmt.Errorf("%s: %w", doing, err)
		}
		if won {
			return t.decodeTenant(doing, raw)
		}
		p, err := decodeProfile(raw)
		if err != nil {
			return dcm.Tenant{}, fmt.Errorf("%s: decode profile: %w", doing, err)
		}
		old = p.MaxMonthlySpend
	}
	return dcm.Tenant{}, fmt.Errorf("%s: %w", doing, dcm.ErrLostRace)
}

// quotaTries bounds how often SetQuotas is tried against others who set the
// quotas of the same tenant.
const quotaTries = 8

func (t *tenantStore) quotaUpdate(q dcm.Quotas, oldSpend int64, at time.Time) expression.UpdateBuilder {
	p := profileWith(q)
	var e edit
	e.set(attrMaxVMs, p.MaxConcurrentVMs)
	e.set(attrMaxStorageBytes, p.MaxStorageBytes)
	e.set(attrAllowedProviders, p.AllowedProviders)
	e.set(attrMaxMonthlySpend, p.MaxMonthlySpend)
	e.addFrom(attrSpendRoom, 0, p.MaxMonthlySpend-oldSpend)
	e.foundCounters(instantOf(at))
	e.setIfNew(attrActiveVMs, 0)
	if !at.IsZero() {
		e.setTime(attrUpdatedAt, &at)
		e.setDue(dueKindOf(dueTenant, string(t.id)), at)
	}
	return e.UpdateBuilder
}

// KeepAccountsKey is one conditional update.
func (t *tenantStore) KeepAccountsKey(ctx context.Context, k, replaces dcm.WrappedKey, at time.Time) (dcm.WrappedKey, error) {
	const doing = "keep accounts key"
	if len(k) == 0 {
		return nil, errors.New(doing + ": there is none")
	}
	free := absent(attrAccountsKey)
	if len(replaces) > 0 {
		free = free.Or(equals(attrAccountsKey, []byte(replaces)))
	}
	var e edit
	e.found(profileWith(t.options.DefaultQuotas), instantOf(at))
	e.set(attrAccountsKey, []byte(k))
	raw, _, err := t.update(ctx, profileKey(t.id), &free, e.UpdateBuilder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	kept, err := t.decodeTenant(doing, raw)
	return kept.AccountsKey, err
}

// SetDNSAccount is one update; for an account of the tenant's own, a second one
// comes before it, which makes the tenant due.
func (t *tenantStore) SetDNSAccount(ctx context.Context, a *dcm.DNSAccount, at time.Time) (dcm.Tenant, error) {
	var e edit
	e.found(profileWith(t.options.DefaultQuotas), instantOf(at))
	e.setTime(attrUpdatedAt, &at)
	e.setDue(dueKindOf(dueTenant, string(t.id)), at)
	if a == nil {
		e.remove(attrDNSID)
		return t.changeProfile(ctx, "reset DNS account", e)
	}
	if a.ID == dcm.PlatformAccount {
		return dcm.Tenant{}, errors.New("set DNS account: it has no id")
	}
	if err := t.reconcileDue(ctx); err != nil {
		return dcm.Tenant{}, fmt.Errorf("set DNS account: %w", err)
	}
	e.set(attrDNSID, string(a.ID))
	e.setExactly(dnsPrefix+string(a.ID), itemOfDNSAccount(*a))
	return t.changeProfile(ctx, "set DNS account", e)
}

// SetStorageAccount is one update; for an account of the tenant's own, a second one
// comes before it, which makes the tenant due.
func (t *tenantStore) SetStorageAccount(ctx context.Context, a *dcm.StorageAccount, at time.Time) (dcm.Tenant, error) {
	var e edit
	e.found(profileWith(t.options.DefaultQuotas), instantOf(at))
	e.setTime(attrUpdatedAt, &at)
	e.setDue(dueKindOf(dueTenant, string(t.id)), at)
	if a == nil {
		e.remove(attrStorageID)
		return t.changeProfile(ctx, "reset storage account", e)
	}
	if a.ID == dcm.PlatformAccount {
		return dcm.Tenant{}, errors.New("set storage account: it has no id")
	}
	if err := t.reconcileDue(ctx); err != nil {
		return dcm.Tenant{}, fmt.Errorf("set storage account: %w", err)
	}
	e.set(attrStorageID, string(a.ID))
	e.setExactly(storagePrefix+string(a.ID), itemOfStorageAccount(*a))
	return t.changeProfile(ctx, "set storage account", e)
}

// ForgetAccount is one conditional update. Forgetting what is not there is
// success.
func (t *tenantStore) ForgetAccount(ctx context.Context, id dcm.AccountID) error {
	if id == dcm.PlatformAccount {
		return fmt.Errorf("forget account: the platform's: %w", dcm.ErrLostRace)
	}
	other := func(attribute string) expression.ConditionBuilder {
		return absent(attribute).Or(expression.Name(attribute).NotEqual(expression.Value(string(id))))
	}
	replaced := exists().And(other(attrDNSID)).And(other(attrStorageID))
	var e edit
	e.removeExactly(dnsPrefix + string(id))
	e.removeExactly(storagePrefix + string(id))
	raw, won, err := t.update(ctx, profileKey(t.id), &replaced, e.UpdateBuilder)
	switch {
	case err != nil:
		return fmt.Errorf("forget account %s: %w", id, err)
	case !won && len(raw) > 0:
		return fmt.Errorf("forget account %s: it is the current one: %w", id, dcm.ErrLostRace)
	default:
		return nil
	}
}

// SettleTenant is one conditional update.
func (t *tenantStore) SettleTenant(ctx context.Context, from, to time.Time) error {
	same := exists().And(dueAt(from))
	var e edit
	e.setDue(dueKindOf(dueTenant, string(t.id)), to)
	_, won, err := t.update(ctx, profileKey(t.id), &same, e.UpdateBuilder)
	if err == nil && !won {
		err = dcm.ErrLostRace
	}
	if err != nil {
		return fmt.Errorf("settle tenant: %w", err)
	}
	return nil
}
