package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// write is one write of a transaction.
type write struct {
	key       key
	put       any // the item, for a put
	update    *expression.UpdateBuilder
	condition *expression.ConditionBuilder
	// refused makes the error for a condition that did not hold, of the item
	// as it is; nil if there is none.
	refused func(current map[string]types.AttributeValue) error
}

// transact makes all writes or none, in one call. Where several conditions
// fail, the first write's error counts: writes are ordered by what the caller
// most needs to know.
//
// Every try of it, the SDK's own included, carries one token, so that a try
// after a lost answer finds the transaction done instead of doing it twice.
func (t *tenantStore) transact(ctx context.Context, writes ...write) error {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(rand.Text())}
	for _, w := range writes {
		item, err := t.transactItem(w)
		if err != nil {
			return fmt.Errorf("build transaction: %w", err)
		}
		in.TransactItems = append(in.TransactItems, item)
	}
	err := untilUncontended(ctx, func() error {
		_, err := t.api.TransactWriteItems(ctx, in)
		return err
	})
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok || len(cancelled.CancellationReasons) != len(writes) {
		return err
	}
	for i, reason := range cancelled.CancellationReasons {
		if aws.ToString(reason.Code) == "ConditionalCheckFailed" && writes[i].refused != nil {
			return writes[i].refused(reason.Item)
		}
	}
	return err
}

func (t *tenantStore) transactItem(w write) (types.TransactWriteItem, error) {
	b := expression.NewBuilder()
	built := w.condition != nil || w.update != nil
	if w.condition != nil {
		b = b.WithCondition(*w.condition)
	}
	if w.update != nil {
		b = b.WithUpdate(*w.update)
	}
	var e expression.Expression
	if built {
		var err error
		if e, err = b.Build(); err != nil {
			return types.TransactWriteItem{}, err
		}
	}
	const allOld = types.ReturnValuesOnConditionCheckFailureAllOld
	switch {
	case w.put != nil:
		item, err := attributevalue.MarshalMap(w.put)
		return types.TransactWriteItem{Put: &types.Put{
			TableName: t.table(), Item: item, ConditionExpression: e.Condition(),
			ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
			ReturnValuesOnConditionCheckFailure: allOld,
		}}, err
	case w.update != nil:
		return types.TransactWriteItem{Update: &types.Update{
			TableName: t.table(), Key: w.key.attributes(), ConditionExpression: e.Condition(), UpdateExpression: e.Update(),
			ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
			ReturnValuesOnConditionCheckFailure: allOld,
		}}, nil
	default:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: t.table(), Key: w.key.attributes(), ConditionExpression: e.Condition(),
			ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
			ReturnValuesOnConditionCheckFailure: allOld,
		}}, nil
	}
}

func isLostRace(err error) bool { return errors.Is(err, dcm.ErrLostRace) }

// The commonest parts of conditions.

func absent(attribute string) expression.ConditionBuilder {
	return expression.Name(attribute).AttributeNotExists()
}

// exists holds if there is an item.
func exists() expression.ConditionBuilder { return expression.Name(attrPK).AttributeExists() }

func equals(attribute string, value any) expression.ConditionBuilder {
	return expression.Name(attribute).Equal(expression.Value(value))
}

// equalsOrAbsent is for a text that is not stored while it is empty.
func equalsOrAbsent(attribute, value string) expression.ConditionBuilder {
	if value == "" {
		return absent(attribute)
	}
	return equals(attribute, value)
}
