package store_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// crowded is DynamoDB as a crowd on one profile meets it: a transaction takes
// its time, and whichever else arrives meanwhile is cancelled as a conflict.
// No stand-in does that, since theirs take turns.
type crowded struct {
	stub
	mu     sync.Mutex
	busy   bool
	active int
}

const (
	crowdTravel = 3 * time.Millisecond
	crowdWork   = 12 * time.Millisecond
	crowdLimit  = 10
)

func (c *crowded) TransactWriteItems(
	context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	time.Sleep(crowdTravel)
	c.mu.Lock()
	if c.busy {
		c.mu.Unlock()
		return nil, cancelled(none, none, conflict, none, none, none)
	}
	c.busy = true
	c.mu.Unlock()
	time.Sleep(crowdWork)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	if c.active == crowdLimit {
		full := types.CancellationReason{Code: aws.String(failed), Item: fullProfile(crowdLimit)}
		return nil, &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{}, {}, full, {}, {}, {}}}
	}
	c.active++
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

// TestCrowd: 200 launches of one tenant at once, conflicts and all, give
// exactly its quota, and each of the others is told why, within the budget.
func TestCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), dcm.LaunchBudget)
		defer cancel()
		api, began := &crowded{}, time.Now()
		codes := make(chan dcm.Code, 200)
		for range cap(codes) {
			go func() { codes <- dcm.ErrorCode(acme(api).CreateVM(ctx, someIntent())) }()
		}
		got := map[dcm.Code]int{}
		for range cap(codes) {
			got[<-codes]++
		}
		t.Logf("took %v", time.Since(began))
		if got[""] != crowdLimit || got[dcm.CodeQuotaExceeded] != cap(codes)-crowdLimit {
			t.Errorf("got %v", got)
		}
	})
}
