package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// update makes one conditional update and returns the item as it is
// afterwards. If the condition did not hold, won is false and the item is as it
// was found, empty if there is none. A condition of nil always holds.
//
// The SDK tries again after an answer that was lost. If the first try did its
// work, the second fails on it: a running VM can't become running. So every
// update with a condition leaves an id of its own in the item, and a refusal by an item with
// our own id is our success. (If somebody else wrote in between as well, it is
// reported as a lost race: the item has changed, and the caller must look.)
func (t *tenantStore) update(
	ctx context.Context, k key, condition *expression.ConditionBuilder, update expression.UpdateBuilder,
) (item map[string]types.AttributeValue, won bool, err error) {
	b, writeID := expression.NewBuilder(), rand.Text()
	if condition != nil {
		b = b.WithCondition(*condition)
		update = update.Set(expression.Name(attrWriteID), expression.Value(writeID))
	}
	e, err := b.WithUpdate(update).Build()
	if err != nil {
		return nil, false, fmt.Errorf("build expression: %w", err)
	}
	item, err = t.updateItem(ctx, k, e)
	failed, refused := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !refused {
		return item, err == nil, err
	}
	var found struct {
		WriteID string `dynamodbav:"writeId"`
	}
	if err := attributevalue.UnmarshalMap(failed.Item, &found); err != nil {
		return nil, false, fmt.Errorf("decode: %w", err)
	}
	return failed.Item, found.WriteID == writeID, nil
}

func (t *tenantStore) updateItem(ctx context.Context, k key, e expression.Expression) (map[string]types.AttributeValue, error) {
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
