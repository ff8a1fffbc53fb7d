package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Of several things in the way, the one that decides what the caller does next
// is said: a used key before the workspace, the workspace before the quota.
func TestMostTellingRefusal(t *testing.T) {
	t.Parallel()
	busy := map[string]types.AttributeValue{"activeVM": &types.AttributeValueMemberS{Value: "vm-bbbbbbbbbb"}}
	full := fullProfile(7)
	answer := func(key, workspace, profile, vm string) error {
		err := cancelled(key, workspace, profile, vm, none, none)
		e, _ := errors.AsType[*types.TransactionCanceledException](err)
		e.CancellationReasons[1].Item, e.CancellationReasons[2].Item = busy, full
		i := someIntent()
		i.NewWorkspace = false
		return acme(stub{transact: func(*dynamodb.TransactWriteItemsInput) error { return e }}).CreateVM(t.Context(), i)
	}
	if err := answer(failed, failed, failed, failed); !errors.Is(err, dcm.ErrIdempotencyTaken) {
		t.Errorf("key, workspace, quota and id: %v", err)
	}
	err := answer(none, failed, failed, failed)
	if e, ok := errors.AsType[*dcm.Error](err); !ok || e.Code != dcm.CodeConflict || !strings.Contains(e.Message, "vm-bbbbbbbbbb") {
		t.Errorf("workspace, quota and id: %v", err)
	}
	err = answer(none, none, failed, failed)
	if e, ok := errors.AsType[*dcm.Error](err); !ok || e.Code != dcm.CodeQuotaExceeded || !strings.Contains(e.Message, "limit of 7") {
		t.Errorf("quota and id: %v", err)
	}
	if err := answer(none, none, none, failed); !errors.Is(err, dcm.ErrLostRace) {
		t.Errorf("id: %v", err)
	}
}
