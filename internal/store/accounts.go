package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Accounts is one query: the profile and the accounts are neighbours. It is
// cheaper than the batch read of the methods below, which pays for every
// provider that the tenant has no account at.
func (t *tenantStore) Accounts(ctx context.Context) (dcm.TenantAccounts, error) {
	e, err := t.between(kindProfile, kindProvider+afterPrefix)
	if err != nil {
		return dcm.TenantAccounts{}, fmt.Errorf("read accounts: build expression: %w", err)
	}
	out, err := t.api.Query(ctx, &dynamodb.QueryInput{
		TableName: t.table(), ConsistentRead: aws.Bool(true), KeyConditionExpression: e.KeyCondition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
	})
	if err != nil {
		return dcm.TenantAccounts{}, fmt.Errorf("read accounts: %w", err)
	}
	known, err := t.learnAll(out.Items)
	if err != nil {
		return dcm.TenantAccounts{}, fmt.Errorf("read accounts: %w", err)
	}
	return known.accounts, nil
}

// between is the condition on the tenant's items from one sort key to another.
func (t *tenantStore) between(from, to string) (expression.Expression, error) {
	return expression.NewBuilder().WithKeyCondition(
		expression.Key(attrPK).Equal(expression.Value(partition(t.id))).
			And(expression.Key(attrSK).Between(expression.Value(from), expression.Value(to))),
	).Build()
}

// VMWithAccounts is one batch read.
func (t *tenantStore) VMWithAccounts(ctx context.Context, id dcm.VMID) (dcm.VM, dcm.TenantAccounts, error) {
	if !id.Valid() {
		return dcm.VM{}, dcm.TenantAccounts{}, noVM()
	}
	known, err := t.readWithAccounts(ctx, vmKey(t.id, id))
	if err != nil {
		return dcm.VM{}, dcm.TenantAccounts{}, fmt.Errorf("read VM %s and accounts: %w", id, err)
	}
	if known.vm == nil {
		return dcm.VM{}, dcm.TenantAccounts{}, noVM()
	}
	return *known.vm, known.accounts, nil
}

// ReleaseContext is one batch read.
func (t *tenantStore) ReleaseContext(ctx context.Context, id dcm.VMID) (dcm.VM, dcm.TenantAccounts, error) {
	if !id.Valid() {
		return dcm.VM{}, dcm.TenantAccounts{}, noVM()
	}
	known, err := t.readWithAccounts(ctx, append(platformRateKeys(), vmKey(t.id, id))...)
	if err != nil {
		return dcm.VM{}, dcm.TenantAccounts{}, fmt.Errorf("read what the release of %s depends on: %w", id, err)
	}
	if known.vm == nil {
		return dcm.VM{}, dcm.TenantAccounts{}, noVM()
	}
	return *known.vm, known.accounts, nil
}

// KeyWithAccounts is one batch read.
func (t *tenantStore) KeyWithAccounts(ctx context.Context, w dcm.WorkspaceID, version int) (dcm.WorkspaceKey, dcm.TenantAccounts, error) {
	if !w.Valid() {
		return dcm.WorkspaceKey{}, dcm.TenantAccounts{}, noWorkspaceKey()
	}
	known, err := t.readWithAccounts(ctx, workspaceKeyKey(t.id, w, version))
	if err != nil {
		return dcm.WorkspaceKey{}, dcm.TenantAccounts{}, fmt.Errorf("read key %d of workspace %s and accounts: %w", version, w, err)
	}
	if known.workspaceKey == nil {
		return dcm.WorkspaceKey{}, dcm.TenantAccounts{}, noWorkspaceKey()
	}
	return *known.workspaceKey, known.accounts, nil
}

// WorkspaceWithAccounts is one batch read.
func (t *tenantStore) WorkspaceWithAccounts(ctx context.Context, w dcm.WorkspaceID) (dcm.Workspace, dcm.TenantAccounts, error) {
	if !w.Valid() {
		return dcm.Workspace{}, dcm.TenantAccounts{}, noWorkspace()
	}
	known, err := t.readWithAccounts(ctx, workspaceKey(t.id, w))
	if err != nil {
		return dcm.Workspace{}, dcm.TenantAccounts{}, fmt.Errorf("read workspace %s and accounts: %w", w, err)
	}
	if known.workspace == nil {
		return dcm.Workspace{}, dcm.TenantAccounts{}, noWorkspace()
	}
	return *known.workspace, known.accounts, nil
}
