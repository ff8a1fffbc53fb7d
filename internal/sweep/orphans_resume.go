package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// resume carries on with what earlier runs have noted and not brought to its
// end. It comes first: what is gone is not in any list, and only its note tells
// of it. It counts towards nothing: the run that noted it has counted it. Shards
// take turns, and an account where failuresOfOne have failed leaves the rest of
// the run to others.
func (r *orphanRun) resume(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		// Those that hang leave two thirds of the run to what is new.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/3)
		defer cancel()
	}
	until := r.Clock.Now()
	failures := map[dcm.TenantID]int{}
	for _, shard := range shardsInTurn(until) {
		due, err := r.Store.DueOrphans(ctx, shard, until, pageSize)
		if err != nil {
			r.Log.ErrorContext(ctx, "what earlier runs have noted can't be listed", "shard", shard, "error", err)
			continue
		}
		for _, d := range due {
			if !timeLeft(ctx, spareTime) {
				return
			}
			r.resumeOne(ctx, d, failures)
		}
	}
}

// resumeOne counts its failures by whose account it is: "" is the platform's.
func (r *orphanRun) resumeOne(ctx context.Context, d dcm.DueOrphan, failures map[dcm.TenantID]int) {
	store := r.Store.Tenant(d.Tenant)
	var next time.Time
	work, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	err := guard(func() error {
		ctx := work
		noted, err := store.Orphan(ctx, d.Ref)
		if err != nil {
			return fmt.Errorf("read what was noted: %w", err)
		}
		if noted.ConfirmedAt != nil {
			return nil
		}
		holder := d.Tenant
		if noted.AccountID == dcm.PlatformAccount {
			holder = ""
		}
		if failures[holder] >= failuresOfOne {
			// Before those that were tried: they had their turn.
			next = r.Clock.Now().Add(orphansInterval)
			return dcm.ErrNotTried
		}
		if r.Clock.Now().Sub(noted.FoundAt) < dcm.EventTTL {
			next = r.Clock.Now().Add(dcm.ReconcileInterval)
		}
		if r.careful {
			// Before it is carried on with: should that kill this run too, it is
			// not due in the next.
			if err := store.PutOffOrphan(ctx, d.Ref, r.Clock.Now().Add(dcm.ReconcileInterval)); err != nil {
				return err
			}
			r.Log.InfoContext(ctx, "sweep item begins", "orphan", d.Ref, "tenant", d.Tenant)
		}
		removed, err := r.Handler.Resume(ctx, noted)
		if removed && err == nil {
			r.report.Removed++
			next = time.Time{}
			return nil
		}
		if err == nil {
			// It is not ours any more, or has an owner: nothing is left to do.
			return store.PutOffOrphan(ctx, d.Ref, time.Time{})
		}
		failures[holder]++
		return err
	})
	if err == nil || dcm.ErrorCode(err) == dcm.CodeNotFound || errors.Is(err, dcm.ErrLostRace) {
		return
	}
	r.Log.ErrorContext(ctx, "an orphan is not removed yet", "tenant", d.Tenant, "ref", d.Ref, "error", err)
	err = guard(func() error { return store.PutOffOrphan(context.WithoutCancel(ctx), d.Ref, next) })
	if err != nil {
		r.Log.ErrorContext(ctx, "an orphan could not be put off", "tenant", d.Tenant, "ref", d.Ref, "error", err)
	}
}
