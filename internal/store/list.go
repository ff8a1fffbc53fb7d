package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// VMs is one query of the index "byCreated", which is eventually consistent:
// see readPage.
func (t *tenantStore) VMs(ctx context.Context, q dcm.VMQuery) (dcm.VMPage, error) {
	items, next, err := readPage(ctx, t, pageOf[vmItem]{
		listing: listing{
			list: "vms", filter: []string{string(q.Status), string(q.Workspace)},
			valid: func(id string) bool { return dcm.VMID(id).Valid() },
		},
		index: aws.String(listIndex), keys: t.listed(kindVM), filter: listFilter(q), limit: q.Limit, cursor: q.Cursor,
		start: func(p position) map[string]types.AttributeValue {
			return t.listStart(kindVM, vmKey(t.id, dcm.VMID(p.id)), p.at)
		},
		decode: decodeVM,
		position: func(i vmItem) position {
			_, _, id, _ := i.split()
			return position{at: i.CreatedAt, id: id}
		},
	})
	if err != nil {
		return dcm.VMPage{}, fmt.Errorf("list VMs: %w", err)
	}
	page := dcm.VMPage{Items: make([]dcm.VM, 0, len(items)), NextCursor: next}
	for _, i := range items {
		page.Items = append(page.Items, i.vm())
	}
	return page, nil
}

func listFilter(q dcm.VMQuery) *expression.ConditionBuilder {
	switch {
	case q.Status != "" && q.Workspace != "":
		return new(equals(attrStatus, string(q.Status)).And(equals(attrWorkspaceID, string(q.Workspace))))
	case q.Status != "":
		return new(equals(attrStatus, string(q.Status)))
	case q.Workspace != "":
		return new(equals(attrWorkspaceID, string(q.Workspace)))
	default:
		return nil
	}
}

// Workspaces is one query of the index "byCreated", which is eventually
// consistent: see readPage.
func (t *tenantStore) Workspaces(ctx context.Context, q dcm.WorkspaceQuery) (dcm.WorkspacePage, error) {
	items, next, err := readPage(ctx, t, pageOf[workspaceItem]{
		listing: listing{list: "workspaces", valid: func(id string) bool { return dcm.WorkspaceID(id).Valid() }},
		index:   aws.String(listIndex), keys: t.listed(kindWorkspace), limit: q.Limit, cursor: q.Cursor,
		start: func(p position) map[string]types.AttributeValue {
			return t.listStart(kindWorkspace, workspaceKey(t.id, dcm.WorkspaceID(p.id)), p.at)
		},
		decode: decodeWorkspace,
		position: func(i workspaceItem) position {
			_, _, id, _ := i.split()
			return position{at: i.CreatedAt, id: id}
		},
	})
	if err != nil {
		return dcm.WorkspacePage{}, fmt.Errorf("list workspaces: %w", err)
	}
	page := dcm.WorkspacePage{Items: make([]dcm.Workspace, 0, len(items)), NextCursor: next}
	for _, i := range items {
		page.Items = append(page.Items, i.workspace(t.id))
	}
	return page, nil
}
