package dcm

import (
	"context"
	"errors"
	"time"
)

// Leases let one run of a scheduled function work at a time.
type Leases interface {
	// TakeLease takes the lease until then, if nobody has it, or it has run out,
	// or owner has it already: a lost answer costs nothing. It reports whether it
	// ran out: whoever had it was killed, or could not give it back. After a lost
	// answer that is not known, and not reported. ErrLeaseHeld.
	TakeLease(ctx context.Context, name, owner string, now, until time.Time) (ranOut bool, err error)
	// GiveBackLease ends the lease if owner still has it. It is no error if not.
	GiveBackLease(ctx context.Context, name, owner string) error
}

// ErrLeaseHeld says that somebody else has the lease.
var ErrLeaseHeld = errors.New("another run has the lease")
