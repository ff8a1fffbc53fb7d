package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

const (
	conflict = "TransactionConflict"
	failed   = "ConditionalCheckFailed"
	none     = "None"
)

func TestTransactionIsTriedAgainWhileOthersAreInItsWay(t *testing.T) {
	t.Parallel()
	for name, inTheWay := range map[string]error{
		"conflict":           cancelled(none, none, conflict, none),
		"conflict elsewhere": cancelled(failed, none, conflict, none),
		"throttled item":     cancelled(none, none, "ThrottlingError", none),
		"still under way":    &types.TransactionInProgressException{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tokens := map[string]int{}
				api := stub{transact: func(in *dynamodb.TransactWriteItemsInput) error {
					tokens[aws.ToString(in.ClientRequestToken)]++
					if tokens[aws.ToString(in.ClientRequestToken)] < 5 {
						return inTheWay
					}
					return nil
				}}
				must(t, acme(api).CreateVM(t.Context(), someIntent()))
				if len(tokens) != 1 {
					t.Fatalf("tries used %d tokens; a lost answer would do it twice", len(tokens))
				}
			})
		})
	}
}

func TestUpdateIsTriedAgainWhileATransactionIsInItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		api := stub{update: func(in *dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error) {
			if tries++; tries < 3 {
				return nil, &types.TransactionConflictException{}
			}
			return &dynamodb.UpdateItemOutput{Attributes: in.Key}, nil
		}}
		_, err := acme(api).ChangeVM(t.Context(), someVM, dcm.VMChange{From: dcm.Statuses, Force: ptr(true)})
		must(t, err)
	})
}

func TestBatchIsReadAgainUntilItIsWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		api := stub{batchGet: func(in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
			if tries++; tries < 3 {
				return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
			}
			return &dynamodb.BatchGetItemOutput{}, nil
		}}
		known, err := acme(api).LaunchContext(t.Context(), "", "key")
		must(t, err)
		if known.Earlier != nil || tries != 3 {
			t.Fatalf("known %+v after %d tries", known, tries)
		}
	})
}

// Contention that does not end is said as such: a caller can try again.
func TestEndlessContention(t *testing.T) {
	t.Parallel()
	api := stub{transact: func(*dynamodb.TransactWriteItemsInput) error { return cancelled(none, none, conflict, none) }}
	check := func(t *testing.T, ctx context.Context, longest time.Duration) {
		t.Helper()
		began := time.Now()
		err := acme(api).CreateVM(ctx, someIntent())
		e, ok := errors.AsType[*dcm.Error](err)
		if !ok || e.Code != dcm.CodeRateLimited || strings.Contains(e.Message, "ransaction") {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(began); took > longest {
			t.Fatalf("took %v", took)
		}
	}
	t.Run("without a deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { check(t, t.Context(), 20*time.Second) })
	})
	t.Run("with a deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			check(t, ctx, 100*time.Millisecond)
		})
	})
}

// What DynamoDB says reaches the log's chain, never a client.
func TestDynamoDBsWordsStayInside(t *testing.T) {
	t.Parallel()
	const words = "rate exceeded for table arn:aws:dynamodb"
	broken := &types.ProvisionedThroughputExceededException{Message: aws.String(words)}
	api := stub{
		get:      func(*dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) { return nil, broken },
		query:    func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) { return nil, broken },
		batchGet: func(*dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) { return nil, broken },
		update:   func(*dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error) { return nil, broken },
		transact: func(*dynamodb.TransactWriteItemsInput) error { return broken },
	}
	s := acme(api)
	ctx, now := t.Context(), storetest.Start
	calls := map[string]error{"CreateVM": s.CreateVM(ctx, someIntent())}
	_, calls["VM"] = s.VM(ctx, someVM)
	_, calls["Workspace"] = s.Workspace(ctx, someWorkspace)
	_, calls["WorkspaceKey"] = s.WorkspaceKey(ctx, someWorkspace, 1)
	_, calls["LaunchContext"] = s.LaunchContext(ctx, someWorkspace, "key")
	_, calls["VMs"] = s.VMs(ctx, dcm.VMQuery{})
	_, calls["ChangeVM"] = s.ChangeVM(ctx, someVM, dcm.VMChange{From: dcm.Statuses, Force: ptr(true)})
	_, calls["BindBootstrap"] = s.BindBootstrap(ctx, someVM, "key", now())
	calls["FinishVM"] = s.FinishVM(ctx, dcm.Finish{VM: someVM, Workspace: someWorkspace, At: now()})
	calls["AdvanceGeneration"] = s.AdvanceGeneration(ctx, someVM, someWorkspace, dcm.Backup{Generation: 1})
	calls["AddWorkspaceKey"] = s.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1})
	stray := dcm.Orphan{Kind: dcm.OrphanServer, Tenant: "acme", ExternalID: "1", VM: someVM, CreatedAt: now(), FoundAt: now(), ConfirmedAt: ptr(now()), Minutes: 1}
	calls["NoteOrphan"] = s.NoteOrphan(ctx, stray)
	calls["SettleOrphan"] = s.SettleOrphan(ctx, stray)
	_, calls["Orphans"] = s.Orphans(ctx, dcm.OrphanQuery{})
	_, calls["DueVMs"] = open(api, "table").DueVMs(ctx, 0, now(), 10)
	for name, err := range calls {
		if _, shown := errors.AsType[*dcm.Error](err); shown || dcm.ErrorCode(err) != dcm.CodeInternal {
			t.Errorf("%s: would be shown: %v", name, err)
		}
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: the log would not say why: %v", name, err)
		}
	}
}
