package store

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// reconcileDue makes a tenant due that is about to get an account of its own. It
// comes before the account: a crash in between leaves a due tenant without an
// account, which is put right when it is due, and never an account that nobody
// looks through.
//
// The due time is the tenant's own second of the hour, always later than now. So
// a sweep that has just seen the tenant without accounts, and is about to take it
// out of the index, loses the race; and whoever sets accounts all the time does
// not put the look at them off.
func (t *tenantStore) reconcileDue(ctx context.Context) error {
	var e edit
	e.setDue(dueKindOf(dueReconcile, string(t.id)), dcm.ReconcileAfter(t.id, t.options.Clock.Now()))
	if _, _, err := t.update(ctx, reconcileKey(t.id), nil, e.UpdateBuilder); err != nil {
		return fmt.Errorf("make the tenant's accounts due: %w", err)
	}
	return nil
}

// SettleReconcile is one conditional update, or a conditional delete: a
// transaction of its own, so that a lost answer is not taken for a lost race.
func (t *tenantStore) SettleReconcile(ctx context.Context, from, to time.Time) error {
	same := exists().And(dueAt(from))
	var err error
	if to.IsZero() {
		err = t.transact(ctx, write{key: reconcileKey(t.id), condition: &same, refused: lostRace})
	} else {
		err = t.moveReconcile(ctx, same, to)
	}
	if err != nil {
		return fmt.Errorf("settle the tenant's accounts: %w", err)
	}
	return nil
}

func (t *tenantStore) moveReconcile(ctx context.Context, same expression.ConditionBuilder, to time.Time) error {
	var e edit
	e.setDue(dueKindOf(dueReconcile, string(t.id)), to)
	_, won, err := t.update(ctx, reconcileKey(t.id), &same, e.UpdateBuilder)
	if err == nil && !won {
		err = dcm.ErrLostRace
	}
	return err
}

func lostRace(map[string]types.AttributeValue) error { return dcm.ErrLostRace }
