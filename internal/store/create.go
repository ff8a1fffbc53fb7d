package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// CreateVM is one transaction. Of a resumed workspace it writes the hold and
// UpdatedAt, nothing else. If several things are in the way, the idempotency
// key is said first: what it stands for may itself hold the workspace and the
// last slot.
func (t *tenantStore) CreateVM(ctx context.Context, i dcm.Intent) error {
	if err := t.checkIntent(i); err != nil {
		return fmt.Errorf("create VM %s: %w", i.VM.ID, err)
	}
	var writes []write
	if i.Idempotency != nil {
		writes = append(writes, t.claimIdempotency(*i.Idempotency))
	}
	writes = append(writes, t.holdWorkspace(i), t.takeSlot(i), t.putVM(i.VM))
	if err := t.transact(ctx, writes...); err != nil {
		return fmt.Errorf("create VM %s: %w", i.VM.ID, err)
	}
	return nil
}

// checkIntent catches a caller's mistake before it becomes a record.
func (t *tenantStore) checkIntent(i dcm.Intent) error {
	switch {
	case i.VM.TenantID != t.id || i.Workspace.TenantID != t.id:
		return fmt.Errorf("the intent is for tenant %q and workspace tenant %q, not %q", i.VM.TenantID, i.Workspace.TenantID, t.id)
	case !i.VM.ID.Valid() || !i.Workspace.ID.Valid():
		return fmt.Errorf("VM id %q or workspace id %q is not valid", i.VM.ID, i.Workspace.ID)
	case i.VM.WorkspaceID != i.Workspace.ID || i.Workspace.ActiveVM != i.VM.ID:
		return fmt.Errorf("VM and workspace %s do not name each other", i.Workspace.ID)
	case i.VM.Status != dcm.StatusCreating:
		return fmt.Errorf("a new VM is creating, not %q", i.VM.Status)
	case i.VM.CreatedAt.IsZero():
		return fmt.Errorf("a new VM needs CreatedAt")
	}
	return nil
}

func (t *tenantStore) claimIdempotency(i dcm.Idempotency) write {
	free := absent(attrPK).Or(
		expression.Name(attrExpiresAt).LessThanEqual(expression.Value(instantOf(t.options.Clock.Now()))))
	return write{
		put: itemOfIdempotency(t.id, i), condition: &free,
		refused: func(map[string]types.AttributeValue) error { return dcm.ErrIdempotencyTaken },
	}
}

func (t *tenantStore) holdWorkspace(i dcm.Intent) write {
	if i.NewWorkspace {
		isNew := absent(attrPK)
		return write{
			put: itemOfWorkspace(i.Workspace), condition: &isNew,
			refused: func(map[string]types.AttributeValue) error {
				return fmt.Errorf("workspace %s exists already: %w", i.Workspace.ID, dcm.ErrLostRace)
			},
		}
	}
	free := absent(attrActiveVM).And(equals(attrGeneration, i.Workspace.Generation))
	hold := expression.Set(expression.Name(attrActiveVM), expression.Value(string(i.VM.ID))).
		Set(expression.Name(attrUpdatedAt), expression.Value(instantOf(i.Workspace.UpdatedAt)))
	return write{
		key: workspaceKey(t.id, i.Workspace.ID), update: &hold, condition: &free,
		refused: workspaceRefused,
	}
}

func workspaceRefused(current map[string]types.AttributeValue) error {
	var w workspaceItem
	if err := attributevalue.UnmarshalMap(current, &w); err != nil {
		return fmt.Errorf("decode workspace: %w", err)
	}
	if w.ActiveVM != "" {
		return dcm.Errorf(dcm.CodeConflict, "the workspace is in use by %s", w.ActiveVM)
	}
	return fmt.Errorf("the workspace is gone or at another generation: %w", dcm.ErrLostRace)
}

// takeSlot counts the VM, if the tenant's quota allows one more, and writes
// the profile of a tenant that has none.
func (t *tenantStore) takeSlot(i dcm.Intent) write {
	free := expression.Name(attrActiveVMs).LessThan(expression.Name(attrMaxVMs))
	if i.DefaultQuotas.MaxConcurrentVMs > 0 {
		free = absent(attrPK).Or(free)
	}
	orDefault := func(attribute string, value any) (expression.NameBuilder, expression.OperandBuilder) {
		name := expression.Name(attribute)
		return name, expression.IfNotExists(name, expression.Value(value))
	}
	name, count := expression.Name(attrActiveVMs), expression.IfNotExists(expression.Name(attrActiveVMs), expression.Value(0))
	take := expression.Set(name, expression.Plus(count, expression.Value(1))).
		Set(orDefault(attrMaxVMs, i.DefaultQuotas.MaxConcurrentVMs)).
		Set(orDefault(attrCreated, instantOf(i.VM.CreatedAt)))
	return write{
		key: profileKey(t.id), update: &take, condition: &free,
		refused: func(current map[string]types.AttributeValue) error {
			profile := profileItem{MaxConcurrentVMs: i.DefaultQuotas.MaxConcurrentVMs}
			if err := attributevalue.UnmarshalMap(current, &profile); err != nil {
				return fmt.Errorf("decode profile: %w", err)
			}
			return dcm.Errorf(dcm.CodeQuotaExceeded,
				"the limit of %d VMs at once is reached: %d are in use (creating, running and stopping VMs count)",
				profile.MaxConcurrentVMs, profile.ActiveVMs)
		},
	}
}

func (t *tenantStore) putVM(vm dcm.VM) write {
	isNew := absent(attrPK)
	return write{
		put: itemOfVM(vm), condition: &isNew,
		refused: func(map[string]types.AttributeValue) error {
			return fmt.Errorf("the VM exists already: %w", dcm.ErrLostRace)
		},
	}
}
