package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// FinishVM is one transaction. With DropWorkspace the workspace's key goes with
// it. Should the workspace turn out to have been backed up, or to be older than
// the VM, it is kept, and should it have more keys than one, they all go: either
// costs a second transaction. So does the turn of a month, as with CreateVM, and a provider
// account that is gone.
func (t *tenantStore) FinishVM(ctx context.Context, f dcm.Finish) error {
	if !f.VM.Valid() {
		return noVM()
	}
	if !f.Workspace.Valid() {
		return noWorkspace()
	}
	if f.Event != nil && !validEventID(f.Event.ID) {
		return fmt.Errorf("finish VM %s: event id %q is not valid", f.VM, f.Event.ID)
	}
	p := finishPlan{Finish: f, newestKey: 1}
	err := t.finishAs(ctx, p)
	if other, ok := errors.AsType[*otherWorkspace](err); ok {
		p.fit(other.found)
		err = t.finishAs(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("finish VM %s: %w", f.VM, err)
	}
	return nil
}

// finishPlan is a Finish with what is supposed of the items around the VM.
type finishPlan struct {
	dcm.Finish
	oldestKey, newestKey int
}

// maxDroppedKeys leaves room for the other writes: a transaction has at most
// 100.
const maxDroppedKeys = 80

// fit makes the plan fit a workspace that is otherwise than supposed. One with
// more keys than a transaction can delete is kept: it is the user's to delete.
func (p *finishPlan) fit(w workspaceItem) {
	p.oldestKey, p.newestKey = w.oldestKey(), w.KeyVersion
	p.DropWorkspace = w.Generation == 0 && w.CreatedBy == string(p.VM) && p.newestKey-p.oldestKey < maxDroppedKeys
}

// finishAs makes the transaction, with the tenant's own account if it is there.
func (t *tenantStore) finishAs(ctx context.Context, p finishPlan) error {
	finish := func() error {
		return book(func(seen *profileItem) error { return t.transact(ctx, t.finishWrites(p, seen)...) })
	}
	err := finish()
	if errors.Is(err, errNoAccount) {
		p.AccountID = dcm.PlatformAccount
		err = finish()
	}
	return err
}

func (t *tenantStore) finishWrites(p finishPlan, seen *profileItem) []write {
	writes := []write{t.stop(p.Finish)}
	if p.DropWorkspace {
		writes = append(writes, t.drop(p))
		writes = append(writes, t.deleteKeys(p.Workspace, p.oldestKey, p.newestKey)...)
	} else {
		writes = append(writes, t.letGo(p.Finish))
	}
	writes = append(writes, t.freeSlot(p.Finish, seen))
	if p.AccountID != dcm.PlatformAccount {
		writes = append(writes, t.freeAccount(p.Finish))
	}
	if p.Event != nil {
		writes = append(writes, write{put: itemOfEvent(t.id, *p.Event)})
	}
	used := tally{}
	for _, u := range p.Receipt.Usage {
		used.vm(u)
	}
	return append(writes, t.count(used)...)
}

func (t *tenantStore) deleteKeys(w dcm.WorkspaceID, oldest, newest int) []write {
	var writes []write
	for version := max(oldest, 1); version <= newest; version++ {
		writes = append(writes, write{key: workspaceKeyKey(t.id, w, version)})
	}
	return writes
}

func (t *tenantStore) stop(f dcm.Finish) write {
	stopping := equals(attrStatus, string(dcm.StatusStopping)).And(equals(attrWorkspaceID, string(f.Workspace)))
	var e edit
	e.set(attrStatus, string(dcm.StatusStopped))
	e.setTime(attrStoppedAt, &f.At)
	e.set(attrTTL, epochSeconds(f.At.Add(dcm.StoppedTTL)))
	e.receipt(f.Receipt)
	e.remove(attrDueKind)
	e.remove(attrDueAt)
	return write{
		key: vmKey(t.id, f.VM), update: &e.UpdateBuilder, condition: &stopping,
		refused: orMissing(noVM, "the VM is not stopping"),
	}
}

func (t *tenantStore) letGo(f dcm.Finish) write {
	held := equals(attrActiveVM, string(f.VM))
	var e edit
	e.setTime(attrUpdatedAt, &f.At)
	e.remove(attrActiveVM)
	return write{
		key: workspaceKey(t.id, f.Workspace), update: &e.UpdateBuilder, condition: &held,
		refused: orMissing(noWorkspace, "the workspace is held by another VM"),
	}
}

func (t *tenantStore) drop(p finishPlan) write {
	untouched := equals(attrActiveVM, string(p.VM)).
		And(equals(attrGeneration, 0)).
		And(equals(attrCreatedBy, string(p.VM))).
		And(expression.Name(attrKeyVersion).LessThanEqual(expression.Value(p.newestKey)))
	return write{
		key: workspaceKey(t.id, p.Workspace), condition: &untouched,
		refused: func(current map[string]types.AttributeValue) error {
			if len(current) == 0 {
				return noWorkspace()
			}
			w, err := decodeWorkspace(current)
			if err != nil {
				return fmt.Errorf("decode workspace: %w", err)
			}
			if w.ActiveVM != string(p.VM) {
				return fmt.Errorf("the workspace is held by another VM: %w", dcm.ErrLostRace)
			}
			return &otherWorkspace{found: w}
		},
	}
}

// otherWorkspace says what a workspace to drop was found to be.
type otherWorkspace struct{ found workspaceItem }

func (e *otherWorkspace) Error() string {
	return fmt.Sprintf("the workspace, made by %s, is at generation %d and key %d: %v",
		e.found.CreatedBy, e.found.Generation, e.found.KeyVersion, dcm.ErrLostRace)
}

// Unwrap makes it a lost race should it have changed between two tries.
func (e *otherWorkspace) Unwrap() error { return dcm.ErrLostRace }

// freeSlot gives the slot back, and settles what was reserved against what was
// spent. seen is the profile if an earlier try was shown it.
func (t *tenantStore) freeSlot(f dcm.Finish, seen *profileItem) write {
	b := bookingMonth(dcm.MonthOf(f.At), seen)
	b.reserve = -f.Reserved
	if seen != nil {
		// Should the books know of less, they must not go below nothing.
		b.reserve = max(b.reserve, -dcm.Micros(seen.Reserved))
	}
	for _, u := range f.Receipt.Usage {
		if u.Month == b.month {
			b.spend += u.Cost
		}
	}
	counted := expression.Name(attrActiveVMs).GreaterThan(expression.Value(0)).And(b.condition())
	if b.reserve < 0 {
		counted = counted.And(expression.Name(attrReserved).GreaterThanEqual(expression.Value(int64(-b.reserve))))
	}
	var e edit
	e.add(attrActiveVMs, -1)
	b.write(&e, 0)
	return write{
		key: profileKey(t.id), update: &e.UpdateBuilder, condition: &counted,
		refused: func(current map[string]types.AttributeValue) error {
			p, err := decodeProfile(current)
			switch {
			case err != nil:
				return fmt.Errorf("decode profile: %w", err)
			case p.ActiveVMs > 0:
				return &otherBooks{found: p}
			default:
				return errors.New("the tenant's count of active VMs is lower than its VMs")
			}
		},
	}
}

// errNoAccount says that there is no account whose VMs could be counted.
var errNoAccount = errors.New("the account whose VM it was is gone, or counts no VMs")

func (t *tenantStore) freeAccount(f dcm.Finish) write {
	counted := equals(attrAccountID, string(f.AccountID)).
		And(expression.Name(attrActiveVMs).GreaterThan(expression.Value(0)))
	var e edit
	e.add(attrActiveVMs, -1)
	return write{
		key: providerKey(t.id, f.Provider), update: &e.UpdateBuilder, condition: &counted,
		refused: func(map[string]types.AttributeValue) error { return errNoAccount },
	}
}
