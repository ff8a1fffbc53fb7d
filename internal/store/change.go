package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// ChangeVM is one conditional update. A move that dcm's table does not allow is
// refused before any call, and so is one to stopped: that is FinishVM's, which
// frees what the VM holds.
func (t *tenantStore) ChangeVM(ctx context.Context, id dcm.VMID, c dcm.VMChange) (dcm.VM, error) {
	if err := checkMove(c); err != nil {
		return dcm.VM{}, fmt.Errorf("change VM %s: %w", id, err)
	}
	return t.updateVM(ctx, id, changeCondition(c), changeUpdate(id, c), func(dcm.VM) error { return dcm.ErrLostRace })
}

func checkMove(c dcm.VMChange) error {
	if len(c.From) == 0 {
		return errors.New("a change must say from which status")
	}
	if c.Status == nil {
		return nil
	}
	if *c.Status == dcm.StatusStopped {
		return errors.New("only FinishVM makes a VM stopped")
	}
	for _, from := range c.From {
		if from != *c.Status && !dcm.CanMove(from, *c.Status) {
			return fmt.Errorf("no move leads from %s to %s", from, *c.Status)
		}
	}
	return nil
}

func changeCondition(c dcm.VMChange) expression.ConditionBuilder {
	condition := statusIn(c.From...)
	if c.IfDueAt != nil {
		condition = condition.And(dueAt(*c.IfDueAt))
	}
	if c.IfLastSeenAt != nil {
		condition = condition.And(equals(attrLastSeenAt, instantOf(*c.IfLastSeenAt)))
	}
	if c.IfProviderID {
		condition = condition.And(expression.Name(attrProviderID).AttributeExists())
	}
	if c.IfUpload != nil {
		if *c.IfUpload == dcm.NoUpload {
			condition = condition.And(absent(attrUpload))
		} else {
			condition = condition.And(equals(attrUpload+".backupId", string(*c.IfUpload)))
		}
	}
	return condition
}

func statusIn(statuses ...dcm.Status) expression.ConditionBuilder {
	values := make([]expression.OperandBuilder, len(statuses))
	for i, s := range statuses {
		values[i] = expression.Value(string(s))
	}
	return expression.Name(attrStatus).In(values[0], values[1:]...)
}

// updateVM makes one conditional update and returns the VM as it is
// afterwards. If the condition fails it returns the VM as it is, and the error
// that refused makes of it.
func (t *tenantStore) updateVM(
	ctx context.Context, id dcm.VMID,
	condition expression.ConditionBuilder, update expression.UpdateBuilder,
	refused func(current dcm.VM) error,
) (dcm.VM, error) {
	if !id.Valid() {
		return dcm.VM{}, noVM()
	}
	raw, won, err := t.update(ctx, vmKey(t.id, id), &condition, update)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("change VM %s: %w", id, err)
	}
	if len(raw) == 0 {
		return dcm.VM{}, noVM()
	}
	item, err := decodeVM(raw)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("decode VM %s: %w", id, err)
	}
	if !won {
		return item.vm(), refused(item.vm())
	}
	return item.vm(), nil
}
