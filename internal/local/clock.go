package local

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Clock is the machine's clock plus what it was advanced by. The control plane
// reads it directly; agents, being other processes, read the offset from a
// file.
type Clock struct {
	path string

	mu     sync.Mutex
	offset time.Duration
}

// newClock writes the offset to path, for the agents.
func newClock(path string) (*Clock, error) {
	c := &Clock{path: path}
	return c, c.Advance(0)
}

// Now is the time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.offset)
}

// Advance moves the clock forward.
func (c *Clock) Advance(by time.Duration) error {
	if by < 0 {
		return fmt.Errorf("the clock only goes forward")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// An agent must never read half a number.
	temporary := c.path + ".new"
	if err := os.WriteFile(temporary, []byte((c.offset+by).String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the agents' clock: %w", err)
	}
	if err := os.Rename(temporary, filepath.Clean(c.path)); err != nil {
		return fmt.Errorf("write the agents' clock: %w", err)
	}
	c.offset += by
	return nil
}
