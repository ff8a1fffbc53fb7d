package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// The texts of what does not exist name no id: another tenant's answers alike.
func noVM() error              { return dcm.Errorf(dcm.CodeNotFound, "no such VM") }
func noWorkspace() error       { return dcm.Errorf(dcm.CodeNotFound, "no such workspace") }
func noWorkspaceKey() error    { return dcm.Errorf(dcm.CodeNotFound, "no such workspace key") }
func noProviderAccount() error { return dcm.Errorf(dcm.CodeNotFound, "no such provider account") }

// VM reads a VM, strongly consistent: one call.
func (t *tenantStore) VM(ctx context.Context, id dcm.VMID) (dcm.VM, error) {
	return t.readVM(ctx, id, true)
}

// PeekVM reads a VM, eventually consistent: one call, half a unit.
func (t *tenantStore) PeekVM(ctx context.Context, id dcm.VMID) (dcm.VM, error) {
	return t.readVM(ctx, id, false)
}

func (t *tenantStore) readVM(ctx context.Context, id dcm.VMID, consistent bool) (dcm.VM, error) {
	if !id.Valid() {
		return dcm.VM{}, noVM()
	}
	var item vmItem
	found, err := t.get(ctx, vmKey(t.id, id), consistent, &item)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("read VM %s: %w", id, err)
	}
	if !found {
		return dcm.VM{}, noVM()
	}
	return item.vm(), nil
}

// Workspace reads a workspace, strongly consistent: one call.
func (t *tenantStore) Workspace(ctx context.Context, id dcm.WorkspaceID) (dcm.Workspace, error) {
	item, err := t.readWorkspace(ctx, id)
	if err != nil {
		return dcm.Workspace{}, err
	}
	return item.workspace(t.id), nil
}

func (t *tenantStore) readWorkspace(ctx context.Context, id dcm.WorkspaceID) (workspaceItem, error) {
	var item workspaceItem
	if !id.Valid() {
		return item, noWorkspace()
	}
	found, err := t.get(ctx, workspaceKey(t.id, id), true, &item)
	if err != nil {
		return item, fmt.Errorf("read workspace %s: %w", id, err)
	}
	if !found {
		return item, noWorkspace()
	}
	return item, nil
}

// WorkspaceKey reads one version of a workspace's key: one call.
func (t *tenantStore) WorkspaceKey(ctx context.Context, w dcm.WorkspaceID, version int) (dcm.WorkspaceKey, error) {
	if !w.Valid() {
		return dcm.WorkspaceKey{}, noWorkspaceKey()
	}
	var item workspaceKeyItem
	found, err := t.get(ctx, workspaceKeyKey(t.id, w, version), true, &item)
	if err != nil {
		return dcm.WorkspaceKey{}, fmt.Errorf("read key %d of workspace %s: %w", version, w, err)
	}
	if !found {
		return dcm.WorkspaceKey{}, noWorkspaceKey()
	}
	return item.workspaceKey(), nil
}

// get reads one item into into, and reports whether there is one.
func (t *tenantStore) get(ctx context.Context, k key, consistent bool, into any) (bool, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: t.table(), Key: k.attributes(), ConsistentRead: aws.Bool(consistent),
	})
	if err != nil || out.Item == nil {
		return false, err
	}
	return true, attributevalue.UnmarshalMap(out.Item, into)
}
