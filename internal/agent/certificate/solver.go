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
	// publishAttempts is how often a value is brought to the control plane.
	publishAttempts = 4
	// visibleTimeout is how long we wait for a value to show. Afterwards the
	// authority has the last word.
	visibleTimeout = time.Minute
	visiblePause   = 2 * time.Second
)

// solver answers challenges by DNS.
type solver struct{ *Keeper }

// Present publishes the answer.
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	p := retry.Policy{
		Base: s.patience(time.Second), Max: s.patience(10 * time.Second), Attempts: publishAttempts, Transient: control.Transient,
	}
	err := p.Do(ctx, func(ctx context.Context) error {
		_, err := s.options.Control.DNSChallenge(ctx, dcm.DNSChallenge{Value: c.DNS01KeyAuthorization()})
		return err
	})
	if err != nil {
		return fmt.Errorf("publish the challenge: %w", err)
	}
	return nil
}

// Wait waits until the answer can be read: an authority that looks too early
// remembers, as its resolver does, that there is none.
func (s solver) Wait(ctx context.Context, c acme.Challenge) error {
	visible := s.options.Visible
	if visible == nil {
		visible = (&nameservers{}).publish
	}
	patience, cancel := context.WithTimeout(ctx, visibleTimeout)
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
func (s solver) CleanUp(context.Context, acme.Challenge) error { return nil }
