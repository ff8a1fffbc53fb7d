// Package clocktest has the clock of tests whose time is theirs to move.
package clocktest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until told to go on.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// New returns a clock that shows now.
func New(now time.Time) *Clock { return &Clock{now: now} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
