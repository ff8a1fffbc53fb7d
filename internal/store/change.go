package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
		if at := epochSeconds(*c.IfDueAt); at == 0 {
			condition = condition.And(absent(attrDueAt))
		} else {
			condition = condition.And(equals(attrDueAt, at))
		}
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
//
// The SDK tries again after an answer that was lost. If the first try did its
// work, the second fails on it: a running VM can't become running. So every
// update leaves an id of its own in the item, and a refusal by an item with
// our own id is our success. (If somebody else wrote in between as well, it is
// reported as a lost race: the item has changed, and the caller must look.)
func (t *tenantStore) updateVM(
	ctx context.Context, id dcm.VMID,
	condition expression.ConditionBuilder, update expression.UpdateBuilder,
	refused func(current dcm.VM) error,
) (dcm.VM, error) {
	if !id.Valid() {
		return dcm.VM{}, noVM()
	}
	writeID := rand.Text()
	e, err := expression.NewBuilder().
		WithCondition(condition).
		WithUpdate(update.Set(expression.Name(attrWriteID), expression.Value(writeID))).
		Build()
	if err != nil {
		return dcm.VM{}, fmt.Errorf("change VM %s: build expression: %w", id, err)
	}
	raw, err := t.update(ctx, vmKey(t.id, id), e)
	failed, isRefusal := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case isRefusal && len(failed.Item) == 0:
		return dcm.VM{}, noVM()
	case isRefusal:
		raw = failed.Item
	case err != nil:
		return dcm.VM{}, fmt.Errorf("change VM %s: %w", id, err)
	}
	item, err := decodeVM(raw)
	if err != nil {
		return dcm.VM{}, fmt.Errorf("decode VM %s: %w", id, err)
	}
	if isRefusal && item.WriteID != writeID {
		return item.vm(), refused(item.vm())
	}
	return item.vm(), nil
}

func (t *tenantStore) update(ctx context.Context, k key, e expression.Expression) (map[string]types.AttributeValue, error) {
	var raw map[string]types.AttributeValue
	err := untilUncontended(ctx, func() error {
		out, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: t.table(), Key: k.attributes(),
			ConditionExpression: e.Condition(), UpdateExpression: e.Update(),
			ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
			ReturnValues:                        types.ReturnValueAllNew,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err == nil {
			raw = out.Attributes
		}
		return err
	})
	return raw, err
}
