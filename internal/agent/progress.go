package agent

import (
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// progress is how far a backup is. Its time is the machine's, which only runs
// forward, whatever the clock is set to.
type progress struct {
	bytes int64
	moved time.Time
}

func (p *progress) tell(now time.Time) *dcm.BackupProgress {
	return &dcm.BackupProgress{Bytes: p.bytes, StalledSeconds: int(max(0, now.Sub(p.moved)) / time.Second)}
}

// backingUp notes that a backup begins; the function it returns, that it is
// over.
func (s *status) backingUp() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backup = &progress{moved: time.Now()}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.backup, s.trying = nil, nil
	}
}

// moved notes that storage has taken more of the backup under way.
func (s *status) moved(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backup != nil {
		s.backup.bytes += int64(bytes)
		s.backup.moved = time.Now()
	}
}

// trouble notes that a step of the backup failed and is tried again, or, with
// nil, that it no longer is. The next heartbeat tells; a second failure makes
// it come at once. One that is over by then was not worth an alarm.
func (s *status) trouble(err error) {
	s.mu.Lock()
	first := s.trying == nil
	switch {
	case err == nil:
		s.trying = nil
	case first:
		s.trying = problem(dcm.ProblemBackupFailed, fmt.Sprintf("a step of the backup failed and is tried again: %v", err))
	}
	s.mu.Unlock()
	if err != nil && !first {
		s.update(func(*status) {})
	}
}
