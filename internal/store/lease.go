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

// TakeLease is one conditional update.
func (s *Store) TakeLease(ctx context.Context, name, owner string, now, until time.Time) error {
	if name == "" || owner == "" || !until.After(now) {
		return fmt.Errorf("take the lease %q for %q until %s: not valid", name, owner, until)
	}
	free := absent(attrPK).Or(equals(attrLeaseOwner, owner),
		expression.Name(attrLeaseUntil).LessThanEqual(expression.Value(instantOf(now))))
	var e edit
	e.set(attrLeaseOwner, owner)
	e.set(attrLeaseUntil, instantOf(until))
	held, err := s.writeLease(ctx, name, free, e)
	switch {
	case err != nil:
		return fmt.Errorf("take the lease %s: %w", name, err)
	case held:
		return fmt.Errorf("take the lease %s: %w", name, dcm.ErrLeaseHeld)
	}
	return nil
}

// GiveBackLease is one conditional update.
func (s *Store) GiveBackLease(ctx context.Context, name, owner string) error {
	var e edit
	e.set(attrLeaseUntil, instant(0))
	e.remove(attrLeaseOwner)
	if _, err := s.writeLease(ctx, name, equals(attrLeaseOwner, owner), e); err != nil {
		return fmt.Errorf("give back the lease %s: %w", name, err)
	}
	return nil
}

// writeLease reports whether the condition did not hold.
func (s *Store) writeLease(ctx context.Context, name string, condition expression.ConditionBuilder, e edit) (refused bool, err error) {
	built, err := expression.NewBuilder().WithCondition(condition).WithUpdate(e.UpdateBuilder).Build()
	if err != nil {
		return false, fmt.Errorf("build expression: %w", err)
	}
	_, err = s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.options.Table, Key: leaseKey(name).attributes(),
		ConditionExpression: built.Condition(), UpdateExpression: built.Update(),
		ExpressionAttributeNames: built.Names(), ExpressionAttributeValues: built.Values(),
	})
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); refused {
		return true, nil
	}
	return false, err
}
