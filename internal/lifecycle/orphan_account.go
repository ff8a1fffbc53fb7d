package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// NoteZoneOrBucket notes on a zone or a bucket of a tenant's what a look at it came
// to, if it is news.
func (o *Orphans) NoteZoneOrBucket(ctx context.Context, accounts dcm.TenantAccounts, id dcm.AccountID, cause error) error {
	return o.noteOwn(ctx, accounts, id, sweepOrphans, cause)
}

// NoteAccount notes on a tenant's account what a look at it came to, so that GET
// /tenant says when its token was last seen to work, and what is wrong with it
// since. When it stops working the audit log says so, once.
func (o *Orphans) NoteAccount(ctx context.Context, t dcm.TenantID, a dcm.ProviderAccount, cause error) error {
	checked, problem := o.Clock.Now(), (*dcm.Problem)(nil)
	if cause != nil {
		checked, problem = a.CheckedAt, accountProblem(a.Provider, cause)
	}
	err := o.Store.Tenant(t).NoteProviderAccount(ctx, a.Provider, a.ID, checked, problem)
	if errors.Is(err, dcm.ErrLostRace) || dcm.ErrorCode(err) == dcm.CodeNotFound {
		// It is another account by now, or none.
		return nil
	}
	if err != nil {
		return fmt.Errorf("note the check of account %s: %w", a.ID, err)
	}
	if problem != nil && a.Problem == nil {
		e, err := o.event("tenant/providers/"+a.Provider, dcm.ActorSystem, sweepOrphans, Origin{}, "the account can't be used: "+problem.Message)
		e.Result = problem.Code
		o.note(ctx, t, e, err)
	}
	return nil
}

// accountProblem says in the tenant's words why its account can't be used.
func accountProblem(provider string, cause error) *dcm.Problem {
	kind := dcm.KindOf(cause)
	if dcm.ErrorCode(cause) == dcm.CodeProviderAuth || kind == dcm.KindAuth {
		return &dcm.Problem{Code: string(dcm.CodeProviderAuth), Message: provider + " refuses the account's token"}
	}
	return &dcm.Problem{Code: string(dcm.CodeProviderUnavailable), Message: provider + " could not be asked for the account's servers"}
}
