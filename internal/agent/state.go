package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

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
	mu   sync.Mutex
	now  state
}

func openStore(path string) (*store, error) {
	s := &store{path: path}
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
	if err := writeFile(s.path, b); err != nil {
		return err
	}
	s.now = next
	return nil
}
