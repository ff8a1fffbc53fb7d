package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// noteOwn notes on a tenant's own zone or bucket what using it came to, if that is
// news, so that GET /tenant says what is wrong with it and since when. The audit
// log says so once. What says nothing about the account is no news: a failure of
// ours, or a service that asks to wait.
func (c Common) noteOwn(ctx context.Context, accounts dcm.TenantAccounts, id dcm.AccountID, function string, cause error) error {
	n, known, own := ownAccount(accounts.Tenant, id)
	if !own {
		return nil
	}
	if cause != nil {
		if n.Problem = ownProblem(n.Kind, cause); n.Problem == nil {
			return nil
		}
		n.Problem.Since = c.Clock.Now()
	}
	if known == nil && n.Problem == nil || known != nil && n.Problem != nil && known.Code == n.Problem.Code {
		return nil
	}
	err := c.Store.Tenant(accounts.Tenant.ID).NoteAccount(ctx, n)
	if errors.Is(err, dcm.ErrLostRace) {
		return nil // it was set anew, or is gone
	}
	if err != nil {
		return fmt.Errorf("note what is wrong with account %s: %w", id, err)
	}
	if n.Problem != nil {
		e, err := c.event("tenant/"+string(n.Kind), dcm.ActorSystem, function, Origin{}, "the account can't be used: "+n.Problem.Message)
		e.Result = string(n.Problem.Code)
		c.note(ctx, accounts.Tenant.ID, e, err)
	}
	return nil
}

// tryNoteOwn is noteOwn beside work that goes on without it.
func (c Common) tryNoteOwn(ctx context.Context, accounts dcm.TenantAccounts, id dcm.AccountID, function string, cause error) {
	if err := c.noteOwn(ctx, accounts, id, function, cause); err != nil {
		c.Log.ErrorContext(ctx, "what is wrong with an account could not be noted", "tenant", accounts.Tenant.ID, "error", err)
	}
}

// ownAccount finds a zone or a bucket of the tenant's, and what is known to be
// wrong with it.
func ownAccount(t dcm.Tenant, id dcm.AccountID) (dcm.AccountNote, *dcm.AccountProblem, bool) {
	if id == dcm.PlatformAccount {
		return dcm.AccountNote{}, nil, false
	}
	if a, ok := t.DNSAccounts[id]; ok {
		return dcm.AccountNote{Kind: dcm.AccountDNS, ID: id, Fingerprint: a.Fingerprint}, a.Problem, true
	}
	a, ok := t.StorageAccounts[id]
	return dcm.AccountNote{Kind: dcm.AccountStorage, ID: id, Fingerprint: a.Fingerprint}, a.Problem, ok
}

// ownProblem says in the tenant's words why its account can't be used; nil if the
// failure does not say that.
func ownProblem(kind dcm.AccountKind, cause error) *dcm.AccountProblem {
	what, secret := "the zone", "its token"
	if kind == dcm.AccountStorage {
		what, secret = "the bucket", "its key"
	}
	e, outside := errors.AsType[*dcm.ProviderError](cause)
	switch {
	case dcm.ErrorCode(cause) == dcm.CodeProviderAuth || outside && e.Kind == dcm.KindAuth:
		return &dcm.AccountProblem{Code: dcm.CodeProviderAuth, Message: what + " refuses " + secret}
	case !outside || e.Kind == dcm.KindRateLimited:
		return nil
	case e.Kind == dcm.KindNotFound:
		return &dcm.AccountProblem{Code: dcm.CodeNotFound, Message: what + " is gone"}
	case e.Kind == dcm.KindInvalid:
		return &dcm.AccountProblem{Code: dcm.CodeInvalid, Message: what + " can't be used: " + e.Message}
	default:
		return &dcm.AccountProblem{Code: dcm.CodeProviderUnavailable, Message: what + " could not be used: " + e.Message}
	}
}
