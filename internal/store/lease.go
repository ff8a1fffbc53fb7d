package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	attrLeaseOwner = "owner"
	attrLeaseUntil = "until"
)

// TakeLease is one conditional update, which answers with whose the lease was.
func (s *Store) TakeLease(ctx context.Context, name, owner string, now, until time.Time) (ranOut bool, err error) {
	if name == "" || owner == "" || !until.After(now) {
		return false, fmt.Errorf("take the lease %q for %q until %s: not valid", name, owner, until)
	}
	free := absent(attrPK).Or(equals(attrLeaseOwner, owner),
		expression.Name(attrLeaseUntil).LessThanEqual(expression.Value(instantOf(now))))
	var e edit
	e.set(attrLeaseOwner, owner)
	e.set(attrLeaseUntil, instantOf(until))
	former, held, err := s.writeLease(ctx, name, free, e)
	switch {
	case err != nil:
		return false, fmt.Errorf("take the lease %s: %w", name, err)
	case held:
		return false, fmt.Errorf("take the lease %s: %w", name, dcm.ErrLeaseHeld)
	}
	return former != "" && former != owner, nil
}

// GiveBackLease is one conditional update.
func (s *Store) GiveBackLease(ctx context.Context, name, owner string) error {
	var e edit
	e.set(attrLeaseUntil, instant(0))
	e.remove(attrLeaseOwner)
	if _, _, err := s.writeLease(ctx, name, equals(attrLeaseOwner, owner), e); err != nil {
		return fmt.Errorf("give back the lease %s: %w", name, err)
	}
	return nil
}

// writeLease reports whose the lease was, "" if nobody's, or that the condition
// did not hold.
func (s *Store) writeLease(ctx context.Context, name string, condition expression.ConditionBuilder, e edit) (former string, refused bool, err error) {
	built, err := expression.NewBuilder().WithCondition(condition).WithUpdate(e.UpdateBuilder).Build()
	if err != nil {
		return "", false, fmt.Errorf("build expression: %w", err)
	}
	out, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.options.Table, Key: leaseKey(name).attributes(),
		ConditionExpression: built.Condition(), UpdateExpression: built.Update(),
		ExpressionAttributeNames: built.Names(), ExpressionAttributeValues: built.Values(),
		ReturnValues: types.ReturnValueUpdatedOld,
	})
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); refused {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	if owner, ok := out.Attributes[attrLeaseOwner].(*types.AttributeValueMemberS); ok {
		former = owner.Value
	}
	return former, false, nil
}
