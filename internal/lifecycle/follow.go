package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// followPage is how many workspaces are read at once.
const followPage = 100

// Followers makes what a tenant has follow its changed settings: its VMs the
// monthly limit, its workspaces the storage. Workspaces that have a backup are
// ordered to move; an account of a storage or of a DNS zone is forgotten once
// nothing refers to it.
type Followers struct {
	Common
	Budget *Budget
}

// Handle takes all that a due tenant has as far as it can go now. The tenant
// stays due until everything has followed. No part of it waits for another: a
// limit holds whatever is wrong with a storage.
func (f *Followers) Handle(ctx context.Context, due dcm.DueTenant) error {
	accounts, err := f.Store.Tenant(due.Tenant).Accounts(ctx)
	if err != nil {
		return fmt.Errorf("read the accounts of %s: %w", due.Tenant, err)
	}
	held, budgetErr := f.Budget.Handle(ctx, accounts.Tenant)
	followed, err := f.follow(ctx, accounts.Tenant)
	zones, zonesErr := f.forgetZones(ctx, accounts.Tenant)
	if err = errors.Join(budgetErr, err, zonesErr); err != nil {
		return err
	}
	return f.settle(ctx, due, sooner(sooner(held, followed), zones))
}

// follow orders the moves, and returns when to look again; zero for never.
func (f *Followers) follow(ctx context.Context, t dcm.Tenant) (time.Time, error) {
	m := f.migration(t)
	if err := m.each(ctx, m.order); err != nil {
		return time.Time{}, err
	}
	now := f.Clock.Now()
	if m.behind > 0 {
		return now.Add(heldRetry), nil
	}
	// A launch may have read the settings before they changed, and be about to
	// write a workspace that uses the storage of then.
	if launched := t.UpdatedAt.Add(dcm.LaunchDeadline); now.Before(launched) {
		return launched.Add(time.Second), nil
	}
	return time.Time{}, m.forget(ctx)
}

// sooner is the earlier of two times, either of which may be never.
func sooner(a, b time.Time) time.Time {
	switch {
	case a.IsZero():
		return b
	case b.IsZero():
		return a
	}
	return earliest(a, b)
}

// Plan says what Handle would do, "" for nothing, and changes nothing.
func (f *Followers) Plan(ctx context.Context, due dcm.DueTenant) (string, error) {
	accounts, err := f.Store.Tenant(due.Tenant).Accounts(ctx)
	if err != nil {
		return "", fmt.Errorf("read the accounts of %s: %w", due.Tenant, err)
	}
	t := accounts.Tenant
	var all []string
	if held, err := f.Budget.Plan(ctx, t); err != nil {
		return "", err
	} else if held != "" {
		all = append(all, held)
	}
	follow, wait := 0, 0
	m := f.migration(t)
	err = m.each(ctx, func(ctx context.Context, ws dcm.Workspace) error {
		refers, change, err := m.decide(ctx, ws)
		switch {
		case len(refers) == 0:
		case change != nil:
			follow++
		default:
			wait++
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if follow+wait > 0 {
		all = append(all, fmt.Sprintf("have %d workspaces follow its storage, and look again later for %d that can't yet", follow, wait))
	}
	if len(t.DNSAccounts) > 0 || len(t.StorageAccounts) > 0 {
		all = append(all, "forget the accounts that were replaced, if nothing needs them")
	}
	return strings.Join(append(all, "give it its next time"), "; "), nil
}

// PutOff gives a tenant another time after Handle failed.
func (f *Followers) PutOff(ctx context.Context, due dcm.DueTenant, _ error) error {
	return f.settle(ctx, due, f.Clock.Now().Add(heldRetry))
}

func (f *Followers) settle(ctx context.Context, due dcm.DueTenant, at time.Time) error {
	err := f.Store.Tenant(due.Tenant).SettleTenant(ctx, due.DueAt, at)
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		return fmt.Errorf("settle tenant %s: %w", due.Tenant, err)
	}
	return nil
}

// migration is one look at all of a tenant's workspaces.
type migration struct {
	Common
	store  dcm.TenantStore
	tenant dcm.Tenant
	// needed are the storages that something still refers to, behind the number
	// of workspaces that refer to another than the tenant's current one.
	needed map[dcm.AccountID]bool
	behind int
}

func (f *Followers) migration(t dcm.Tenant) *migration {
	return &migration{Common: f.Common, store: f.Store.Tenant(t.ID), tenant: t, needed: map[dcm.AccountID]bool{}}
}

// each goes through all of the tenant's workspaces.
func (m *migration) each(ctx context.Context, do func(context.Context, dcm.Workspace) error) error {
	for cursor := ""; ; {
		page, err := m.store.Workspaces(ctx, dcm.WorkspaceQuery{Limit: followPage, Cursor: cursor})
		if err != nil {
			return fmt.Errorf("list the workspaces of %s: %w", m.tenant.ID, err)
		}
		for _, ws := range page.Items {
			if err := do(ctx, ws); err != nil {
				return err
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}

// decide says which storages other than the tenant's the workspace refers to, and
// what makes it follow; nil if it can't be ordered now.
func (m *migration) decide(ctx context.Context, ws dcm.Workspace) (map[dcm.AccountID]bool, *dcm.WorkspaceChange, error) {
	refers := storagesOf(ws)
	if ws.ActiveVM != "" && ws.Backup == nil {
		// The VM's first backup goes where its own record says.
		vm, err := m.store.VM(ctx, ws.ActiveVM)
		if err != nil && dcm.ErrorCode(err) != dcm.CodeNotFound {
			return nil, nil, fmt.Errorf("read %s: %w", ws.ActiveVM, err)
		}
		if err == nil {
			refers[vm.StorageID] = true
		}
	}
	delete(refers, m.tenant.StorageID)
	if len(refers) == 0 {
		return nil, nil, nil
	}
	return refers, m.change(ws), nil
}

// order makes a workspace follow, if it is behind and may move now.
func (m *migration) order(ctx context.Context, ws dcm.Workspace) error {
	refers, change, err := m.decide(ctx, ws)
	if err != nil || len(refers) == 0 {
		return err
	}
	if change == nil {
		m.stay(refers)
		return nil
	}
	_, err = m.store.ChangeWorkspace(ctx, ws.ID, *change)
	switch {
	case dcm.ErrorCode(err) == dcm.CodeNotFound:
		return nil
	case err != nil && !errors.Is(err, dcm.ErrLostRace):
		return fmt.Errorf("order workspace %s to follow: %w", ws.ID, err)
	case err != nil || change.Task != nil:
		m.stay(refers)
	}
	return nil
}

func (m *migration) stay(refers map[dcm.AccountID]bool) {
	m.behind++
	for id := range refers {
		m.needed[id] = true
	}
}

// change is what makes the workspace follow; nil if it can't be ordered now. A
// task that has begun something is finished first; a move goes to wherever the
// tenant's storage is by then.
func (m *migration) change(ws dcm.Workspace) *dcm.WorkspaceChange {
	kind, upload := taskKind(ws), taskUpload(ws)
	begun := ws.Task != nil && (ws.Task.Upload != nil || ws.Task.Replaced != nil)
	if ws.ActiveVM != "" || kind == dcm.TaskMove || kind == dcm.TaskDelete || begun {
		return nil
	}
	now := m.Clock.Now()
	c := &dcm.WorkspaceChange{
		IfFree: true, IfTask: &kind, IfUpload: &upload, IfGeneration: &ws.Generation, IfDueAt: &ws.DueAt, UpdatedAt: now,
	}
	if ws.Backup == nil {
		c.StorageID = &m.tenant.StorageID
		return c
	}
	task := dcm.WorkspaceTask{Since: now}
	if ws.Task != nil {
		task = *ws.Task
	}
	task.Kind, task.Target = dcm.TaskMove, m.tenant.StorageID
	due := nextDue(ws, now)
	c.Task, c.DueAt = &task, &due
	return c
}

// forget drops the storage accounts that nothing refers to any more.
func (m *migration) forget(ctx context.Context) error {
	for id := range m.tenant.StorageAccounts {
		if id == m.tenant.StorageID || m.needed[id] {
			continue
		}
		if err := m.store.ForgetAccount(ctx, id); err != nil && !errors.Is(err, dcm.ErrLostRace) {
			return fmt.Errorf("forget account %s: %w", id, err)
		}
	}
	return nil
}
