package lifecycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Orphans deletes what no live record owns: the part of a release that is left
// when there is no VM to release any more. Whoever found the thing may be wrong
// by now, so everything is read again here, just before it is deleted: the thing
// where it is, and the record that may own it.
type Orphans struct {
	Common
	Accounts  dcm.Accounts
	Providers map[string]dcm.Provider
	DNS       dcm.DNS
	Storage   dcm.Storage
}

// stray is one orphan, in the account where it was found.
type stray struct {
	// look asks the service for the thing again.
	look func(context.Context) (sight, error)
	// remove asks for its deletion. What is gone already is success.
	remove func(context.Context) error
}

// sight is what a service says of a thing.
type sight int

const (
	gone sight = iota
	ours
	// foreign is a thing with this id that does not say any more that it is ours.
	foreign
)

// Judge reads the record that may own the thing, strongly consistent, and
// reports whether nothing live does. It fills in why, and since when.
func (o *Orphans) Judge(ctx context.Context, found dcm.Orphan) (dcm.Orphan, bool, error) {
	judge := o.judgeByVM
	if found.Kind == dcm.OrphanUpload {
		judge = o.judgeByWorkspace
	}
	judged, err := judge(ctx, found)
	if err != nil {
		return found, false, fmt.Errorf("read whose %s %s is: %w", found.Kind, found.ExternalID, err)
	}
	return judged, judged.Why != "", nil
}

func (o *Orphans) judgeByVM(ctx context.Context, found dcm.Orphan) (dcm.Orphan, error) {
	vm, err := orNone(o.Store.Tenant(found.Tenant).VM(ctx, found.VM))
	if err != nil {
		return found, err
	}
	if found.Kind == dcm.OrphanServer {
		found.Why = dcm.StrayServer(found.ExternalID, found.Service, found.AccountID, vm)
	} else {
		found.Why = dcm.StrayRecord(vm)
	}
	found.EndedAt = found.CreatedAt
	if vm != nil && vm.StoppedAt != nil && vm.StoppedAt.After(found.CreatedAt) {
		found.EndedAt = *vm.StoppedAt
	}
	if vm != nil {
		found.Workspace = vm.WorkspaceID
	}
	return found, nil
}

func (o *Orphans) judgeByWorkspace(ctx context.Context, found dcm.Orphan) (dcm.Orphan, error) {
	if dcm.IsOfCheck(found.Name) {
		found.Why, found.EndedAt = dcm.WhyCheck, found.CreatedAt
		return found, nil
	}
	store := o.Store.Tenant(found.Tenant)
	ws, err := orNone(store.Workspace(ctx, found.Workspace))
	if err != nil {
		return found, err
	}
	var vm *dcm.VM
	if ws != nil && ws.ActiveVM != "" {
		found.VM = ws.ActiveVM
		if vm, err = orNone(store.VM(ctx, ws.ActiveVM)); err != nil {
			return found, err
		}
	}
	found.Why = dcm.StrayUpload(found.ExternalID, found.CreatedAt, found.AccountID, ws, vm)
	found.EndedAt = found.CreatedAt
	return found, nil
}

// orNone turns "not found" into nil.
func orNone[T any](v T, err error) (*T, error) {
	if dcm.ErrorCode(err) == dcm.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Remove deletes an orphan, unless it is gone, or not ours, or owned by now. The
// receipt is noted before the deletion is asked for, and settled once the
// service, asked again, does not know the thing: a crash in between leaves a
// receipt that Resume carries on with. It reports whether the thing was removed.
// ErrNotGone if the service still has it.
func (o *Orphans) Remove(ctx context.Context, found dcm.Orphan) (bool, error) {
	s, err := o.open(ctx, found)
	if err != nil {
		return false, err
	}
	if seen, err := s.look(ctx); err != nil || seen != ours {
		return false, err
	}
	judged, orphaned, err := o.Judge(ctx, found)
	if err != nil || !orphaned {
		return false, err
	}
	judged.FoundAt = o.Clock.Now()
	if err := o.Store.Tenant(judged.Tenant).NoteOrphan(ctx, judged); err != nil {
		return false, fmt.Errorf("note the orphan %s %s: %w", judged.Kind, judged.ExternalID, err)
	}
	return o.finish(ctx, s, judged)
}

// Resume carries on with an orphan that was noted, and maybe deleted, by a run
// that did not come to its end.
func (o *Orphans) Resume(ctx context.Context, noted dcm.Orphan) (bool, error) {
	s, err := o.open(ctx, noted)
	if err != nil {
		return false, err
	}
	switch seen, err := s.look(ctx); {
	case err != nil:
		return false, err
	case seen == gone:
		return true, o.settle(ctx, noted)
	case seen == foreign:
		return false, nil
	}
	if _, orphaned, err := o.Judge(ctx, noted); err != nil || !orphaned {
		return false, err
	}
	return o.finish(ctx, s, noted)
}

// finish deletes what is noted, and settles it when it is gone.
func (o *Orphans) finish(ctx context.Context, s stray, noted dcm.Orphan) (bool, error) {
	if err := s.remove(ctx); err != nil {
		return false, fmt.Errorf("delete the orphan %s %s: %w", noted.Kind, noted.ExternalID, err)
	}
	seen, err := s.look(ctx)
	if err != nil {
		return false, fmt.Errorf("confirm that %s %s is gone: %w", noted.Kind, noted.ExternalID, err)
	}
	if seen != gone {
		return false, fmt.Errorf("%s %s: %w", noted.Kind, noted.ExternalID, ErrNotGone)
	}
	return true, o.settle(ctx, noted)
}

// settle makes the receipt whole and tells the tenant. The event is one and the
// same however often it is written.
func (o *Orphans) settle(ctx context.Context, noted dcm.Orphan) error {
	now := o.Clock.Now()
	noted.ConfirmedAt, noted.Minutes = &now, dcm.OrphanMinutes(noted.EndedAt, now)
	event, err := o.orphanEvent(noted)
	o.note(ctx, noted.Tenant, event, err)
	err = o.Store.Tenant(noted.Tenant).SettleOrphan(ctx, noted)
	if errors.Is(err, dcm.ErrLostRace) {
		// Another run has settled it, and counted it.
		return nil
	}
	if err != nil {
		return fmt.Errorf("settle the orphan %s %s: %w", noted.Kind, noted.ExternalID, err)
	}
	o.Meter.Count(dcm.MetricOrphansRemoved, 1)
	if noted.AccountID == dcm.PlatformAccount {
		// In its own account a tenant can make up what outlived what, and when.
		o.Meter.Count(dcm.MetricOrphanMinutes, noted.Minutes)
	}
	o.Log.WarnContext(ctx, "removed an orphan", "kind", noted.Kind, "id", noted.ExternalID, "name", noted.Name,
		"tenant", noted.Tenant, "vm", noted.VM, "why", noted.Why, "minutes", noted.Minutes)
	return nil
}

// orphanEvent is the entry of the audit log for an orphan. What names the orphan
// makes its id, and it is dated when the orphan was found.
func (o *Orphans) orphanEvent(noted dcm.Orphan) (dcm.Event, error) {
	sum := sha256.Sum256([]byte(string(noted.Kind) + "\x00" + noted.ExternalID + "\x00" + noted.CreatedAt.UTC().String()))
	named := o.Common
	named.Random = bytes.NewReader(sum[:])
	resource := "vms/" + string(noted.VM)
	if noted.VM == "" {
		resource = "workspaces/" + string(noted.Workspace)
	}
	e, err := named.event(resource, dcm.ActorSystem, sweepOrphans, Origin{}, fmt.Sprintf(
		"removed: %s %s at %s; %s", noted.Kind, noted.ExternalID, noted.Service, noted.Why))
	e.At = noted.FoundAt
	return e, err
}
