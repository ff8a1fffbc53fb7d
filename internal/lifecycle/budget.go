package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Budget holds tenants to their monthly limit while their VMs run.
//
// Admission reserves the worst case, so that a VM that was admitted under a
// limit can't break it. What is left to do is for limits that came, or became
// lower, while VMs were running: setting quotas makes a tenant due, and it
// stays so while it has both a limit and VMs. Nobody else is ever looked at.
type Budget struct {
	Common
}

// budgetPage is how many VMs are read at once.
const budgetPage = 100

// Handle stops the tenant's VMs, which back up first, if the month's limit is
// reached: by what was settled, and what the VMs have cost in this month so far.
// It returns when to look again; zero for never.
func (b *Budget) Handle(ctx context.Context, t dcm.Tenant) (time.Time, error) {
	now := b.Clock.Now()
	if t.Quotas.MaxMonthlySpend == 0 || t.ActiveVMs == 0 {
		return time.Time{}, nil
	}
	again := now.Add(dcm.BudgetInterval)
	vms, spent, err := b.exceeded(ctx, t, now)
	if err != nil || len(vms) == 0 {
		return again, err
	}
	b.Log.WarnContext(ctx, "the month's limit is reached: stopping the tenant's VMs",
		"tenant", t.ID, "limit", t.Quotas.MaxMonthlySpend.String(), "spent", spent.String())
	var failed []error
	for _, vm := range vms {
		failed = append(failed, b.stop(ctx, vm, now))
	}
	return again, errors.Join(failed...)
}

// Plan says what Handle would do, "" for nothing, and changes nothing.
func (b *Budget) Plan(ctx context.Context, t dcm.Tenant) (string, error) {
	vms, spent, err := b.exceeded(ctx, t, b.Clock.Now())
	if err != nil || len(vms) == 0 {
		return "", err
	}
	return fmt.Sprintf("stop its %d VMs, as %s of its monthly limit of %s are spent", len(vms), spent, t.Quotas.MaxMonthlySpend), nil
}

// exceeded are the VMs to stop because the limit is reached, none if it is not,
// with what the month has cost until now.
func (b *Budget) exceeded(ctx context.Context, t dcm.Tenant, now time.Time) ([]dcm.VM, dcm.Micros, error) {
	if t.Quotas.MaxMonthlySpend == 0 || t.ActiveVMs == 0 {
		return nil, 0, nil
	}
	active, err := b.active(ctx, t)
	if err != nil {
		return nil, 0, err
	}
	spent := b.spent(ctx, t, active, now)
	if spent < t.Quotas.MaxMonthlySpend {
		return nil, spent, nil
	}
	stopping := func(vm dcm.VM) bool { return vm.Status == dcm.StatusStopping }
	return slices.DeleteFunc(active, stopping), spent, nil
}

// active are the tenant's VMs that cost. The list is of all VMs of the last
// month, newest first: it is read until those that count are found.
func (b *Budget) active(ctx context.Context, t dcm.Tenant) ([]dcm.VM, error) {
	var all []dcm.VM
	for cursor := ""; ; {
		page, err := b.Store.Tenant(t.ID).VMs(ctx, dcm.VMQuery{Limit: budgetPage, Cursor: cursor})
		if err != nil {
			return nil, fmt.Errorf("list the VMs of %s: %w", t.ID, err)
		}
		for _, vm := range page.Items {
			if vm.Status.Active() {
				all = append(all, vm)
			}
		}
		if cursor = page.NextCursor; cursor == "" || len(all) >= t.ActiveVMs {
			return all, nil
		}
	}
}

// spent is what the month has cost until now.
func (b *Budget) spent(ctx context.Context, t dcm.Tenant, vms []dcm.VM, now time.Time) dcm.Micros {
	month, sum := dcm.MonthOf(now), dcm.Micros(0)
	if t.Spend.Month == month {
		sum = t.Spend.Spent
	}
	for _, vm := range vms {
		used, err := vm.UsageUntil(now)
		if err != nil {
			b.Log.ErrorContext(ctx, "a VM counts for nothing towards its tenant's limit", "vm", vm.ID, "tenant", t.ID, "error", err)
		}
		for _, u := range used {
			if u.Month == month {
				sum += u.Cost
			}
		}
	}
	return sum
}

// stop makes a VM stopping, as its owner could; its agent learns of it with its
// next heartbeat. Losing the race means that it ends, or becomes running, at
// this very moment: the next look decides.
func (b *Budget) stop(ctx context.Context, vm dcm.VM, now time.Time) error {
	due := now.Add(dcm.HeartbeatLostAfter)
	status, reason := dcm.StatusStopping, dcm.StopBudget
	_, err := b.Store.Tenant(vm.TenantID).ChangeVM(ctx, vm.ID, dcm.VMChange{
		From:   []dcm.Status{dcm.StatusCreating, dcm.StatusRunning},
		Status: &status, StopReason: &reason, StoppingAt: &now, DueAt: &due,
	})
	if errors.Is(err, dcm.ErrLostRace) || dcm.ErrorCode(err) == dcm.CodeNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", vm.ID, err)
	}
	e, err := b.event(resourceOf(vm), dcm.ActorSystem, sweepKeys, Origin{}, "stopping: "+string(reason))
	b.note(ctx, vm.TenantID, e, err)
	return nil
}
