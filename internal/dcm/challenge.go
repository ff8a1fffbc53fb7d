package dcm

import (
	"maps"
	"time"
)

// How often a VM may call for its certificate. An order takes five calls: what an
// earlier one left is withdrawn, an account bound, two values published, and
// withdrawn. So six authorities can be tried in a window.
const (
	MaxChallengeCalls = 30
	ChallengeWindow   = time.Hour
)

// ChallengeBook is what is kept of a VM's calls for its certificate. The zero
// value is that of a VM that has not called yet.
type ChallengeBook struct {
	// From is when the window that is counted began, Calls how many it had.
	From  time.Time
	Calls int
	// Bound holds for each authority, by its directory, which account key was
	// bound there: a hash of it.
	Bound map[string]string
	// Version counts the writes of it.
	Version int64
}

// ChallengeCall is one call of a VM for its certificate.
type ChallengeCall struct {
	At time.Time
	// Directory and Key name an authority and the account key, by its hash, that
	// is to be bound there; "" in a call that binds nothing.
	Directory, Key string
	// KeepUntil is when nobody needs the book any more.
	KeepUntil time.Time
}

// Count adds a call. CodeRateLimited, with the time to wait, if the window has had
// as many as it may; CodeConflict if another key was bound at that authority.
func (b ChallengeBook) Count(c ChallengeCall) (ChallengeBook, error) {
	if bound := b.Bound[c.Directory]; c.Key != "" && bound != "" && bound != c.Key {
		return b, Errorf(CodeConflict, "the VM has bound another key at this authority already")
	}
	if left := b.From.Add(ChallengeWindow).Sub(c.At); left <= 0 {
		b.From, b.Calls = c.At, 0
	} else if b.Calls >= MaxChallengeCalls {
		e := Errorf(CodeRateLimited, "the VM has called for its certificate %d times within an hour; wait", b.Calls)
		e.RetryAfter = left
		return b, e
	}
	b.Calls++
	b.Version++
	if c.Key != "" {
		b.Bound = maps.Clone(b.Bound)
		if b.Bound == nil {
			b.Bound = map[string]string{}
		}
		b.Bound[c.Directory] = c.Key
	}
	return b, nil
}
