package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Transactions that touch one item at the same moment cancel each other
// instead of queueing, and the SDK does not try those again. All launches of
// a tenant meet at its profile, so the store does.
const (
	contentionTries = 24
	contentionBase  = 15 * time.Millisecond
	contentionCap   = time.Second
)

// errUnprocessed says that a batch read came back incomplete.
var errUnprocessed = errors.New("DynamoDB left keys of the batch unprocessed")

// untilUncontended makes call again while others are in its way, after a
// random wait that grows, at most until ctx ends. A call must be one that may
// be repeated.
func untilUncontended(ctx context.Context, call func() error) error {
	wait := contentionBase
	for try := 1; ; try++ {
		err := call()
		if err == nil || !isContention(err) {
			return err
		}
		if try == contentionTries || dcm.Sleep(ctx, rand.N(wait)) != nil {
			return dcm.Errorf(dcm.CodeRateLimited, "too many changes at the same moment; try again").WithCause(err)
		}
		wait = min(2*wait, contentionCap)
	}
}

func isContention(err error) bool {
	if errors.Is(err, errUnprocessed) {
		return true
	}
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return true
	}
	if _, ok := errors.AsType[*types.TransactionInProgressException](err); ok {
		return true
	}
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			return true
		}
	}
	return false
}
