package certificate

import (
	"context"
	"fmt"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// askAttempts is how often the control plane is asked for the same.
	askAttempts = 4
	// visibleTimeout is how long we wait for a value to show. Afterwards the
	// authority has the last word.
	visibleTimeout = time.Minute
	visiblePause   = 2 * time.Second
	// blindTimeout is how long an answer is left to spread where nobody can be
	// asked whether it has.
	blindTimeout = 10 * time.Second
)

// solver answers one order's challenges by DNS: all are presented, and then each
// is waited for.
type solver struct {
	*Keeper
	presented time.Time // the last of them
	servers   nameservers
	searched  bool
}

// Present publishes the answer.
func (s *solver) Present(ctx context.Context, c acme.Challenge) error {
	err := s.asking().Do(ctx, func(ctx context.Context) error {
		_, err := s.options.Control.DNSChallenge(ctx, dcm.DNSChallenge{Value: c.DNS01KeyAuthorization()})
		return err
	})
	if err != nil {
		return fmt.Errorf("publish the challenge: %w", err)
	}
	s.presented = time.Now()
	return nil
}

func (k *Keeper) asking() retry.Policy {
	return retry.Policy{
		Base: k.patience(time.Second), Max: k.patience(10 * time.Second), Attempts: askAttempts, Transient: control.Transient,
	}
}

// Wait waits until the answer can be read: an authority that looks too early
// remembers, as its resolver does, that there is none.
func (s *solver) Wait(ctx context.Context, c acme.Challenge) error {
	visible, timeout := s.options.Visible, visibleTimeout
	if visible == nil {
		if !s.searched {
			s.servers, s.searched = serversOf(ctx, c.DNS01TXTRecordName()), true
		}
		visible = s.servers.publish
		if len(s.servers) == 0 {
			timeout = s.patience(blindTimeout) - time.Since(s.presented)
		}
	}
	patience, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for !visible(patience, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization()) {
		if dcm.Sleep(patience, s.patience(visiblePause)) != nil {
			break
		}
	}
	return ctx.Err()
}

// CleanUp does nothing: two answers lie at one name, and are withdrawn together
// when the order is over.
func (s *solver) CleanUp(context.Context, acme.Challenge) error { return nil }
