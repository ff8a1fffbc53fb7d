package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// state is everything the agent must know after it was killed.
type state struct {
	// Answer is the bootstrap answer, its token kept up to date, its restore
	// removed once it is done.
	Answer *dcm.BootstrapAnswer `json:"answer,omitempty"`
	// Populating says that a clone or restore has begun: what lies in the
	// workspace from then on is ours, and complete, since it appears at once.
	Populating bool `json:"populating,omitempty"`
	// Populated says that the workspace is there.
	Populated bool `json:"populated,omitempty"`
	// Ready says that it was usable once: from then on there may be work in it.
	Ready bool `json:"ready,omitempty"`
	// Generation is what the workspace's content is based on.
	Generation int64 `json:"generation"`
	// Saved is how the workspace looked when the backup of Generation began;
	// empty if unknown.
	Saved string `json:"saved,omitempty"`
	// Stop is the wish to end, once there is one.
	Stop *wish `json:"stop,omitempty"`
	// Silence is for how long nobody has heard a VM that waits for that; nil if
	// it was heard since, or waits for nothing. It is replaced, never changed.
	Silence *silence `json:"silence,omitempty"`
	// Over says that the control plane has let the VM go.
	Over bool `json:"over,omitempty"`
}

// wish is why and how to end.
type wish struct {
	Reason  dcm.StopReason `json:"reason"`
	Discard bool           `json:"discard,omitempty"`
}

// store keeps the state on disk. It holds secrets: mode 0600.
type store struct {
	path string
	// write replaces a file; writeFile but in tests.
	write func(path string, content []byte) error
	mu    sync.Mutex
	now   state
	// written is the file's content.
	written []byte
}

func openStore(path string) (*store, error) {
	s := &store{path: path, write: writeFile}
	s.reserve()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the agent's state: %w", err)
	}
	if json.Unmarshal(b, &s.now) != nil {
		// Not to be guessed at: the error's text could hold a secret.
		return nil, fmt.Errorf("read the agent's state: %s is damaged", path)
	}
	s.written = b
	return s, nil
}

// get returns a copy.
func (s *store) get() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.clone()
}

func (s state) clone() state {
	c := s
	if c.Answer != nil {
		a := *c.Answer
		c.Answer = &a
	}
	if c.Stop != nil {
		w := *c.Stop
		c.Stop = &w
	}
	return c
}

// change makes a change durable before it counts.
func (s *store) change(f func(*state)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.now.clone()
	f(&next)
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the agent's state: %w", err)
	}
	if bytes.Equal(b, s.written) {
		return nil // nor does a full disk hinder it
	}
	if err := s.save(b); err != nil {
		return err
	}
	s.now, s.written = next, b
	return nil
}

// keep makes a change count even if it can't be made durable: for what has
// happened elsewhere already. The next change writes it.
func (s *store) keep(f func(*state)) error {
	err := s.change(f)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f(&s.now)
	}
	return err
}

// reserveBytes is room for a few states.
const reserveBytes = 256 << 10

func (s *store) reservePath() string { return s.path + ".reserve" }

// reserve holds room on the disk for the state of an agent whose user fills
// the disk. Without room it does without.
func (s *store) reserve() {
	if _, err := os.Stat(s.reservePath()); err == nil {
		return
	}
	if s.write(s.reservePath(), make([]byte, reserveBytes)) != nil {
		_ = os.Remove(s.reservePath())
	}
}

// save writes the state, giving up the reserve if the disk is full.
func (s *store) save(b []byte) error {
	err := s.write(s.path, b)
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	_ = os.Remove(s.reservePath())
	return s.write(s.path, b)
}
