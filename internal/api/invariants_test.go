package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// This file says what must hold whatever crashed, was lost or raced. The
// matrix, the property test and the load test all ask it.

// books are what the table holds of one tenant.
type books struct {
	tenant     dcm.TenantID
	accounts   dcm.TenantAccounts
	vms        map[dcm.VMID]dcm.VM
	workspaces map[dcm.WorkspaceID]dcm.Workspace
	usage      map[dcm.Month]dcm.MonthlyUsage
}

func (w *world) books(t dcm.TenantID) books {
	w.t.Helper()
	ctx, store := w.t.Context(), w.behind().Store().Tenant(t)
	b := books{tenant: t, vms: map[dcm.VMID]dcm.VM{}, workspaces: map[dcm.WorkspaceID]dcm.Workspace{}, usage: map[dcm.Month]dcm.MonthlyUsage{}}
	var err error
	if b.accounts, err = store.Accounts(ctx); err != nil {
		w.t.Fatal(err)
	}
	for cursor := ""; ; {
		page, err := store.VMs(ctx, dcm.VMQuery{Limit: 100, Cursor: cursor})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, vm := range page.Items {
			b.vms[vm.ID] = vm
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for cursor := ""; ; {
		page, err := store.Workspaces(ctx, dcm.WorkspaceQuery{Limit: 100, Cursor: cursor})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, ws := range page.Items {
			b.workspaces[ws.ID] = ws
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for m := range b.months() {
		if b.usage[m], err = store.Usage(ctx, m); err != nil {
			w.t.Fatal(err)
		}
	}
	return b
}

func (b books) months() map[dcm.Month]bool {
	months := map[dcm.Month]bool{}
	for _, vm := range b.vms {
		months[dcm.MonthOf(vm.CreatedAt)] = true
		if vm.StoppedAt != nil {
			months[dcm.MonthOf(*vm.StoppedAt)] = true
		}
	}
	return months
}

func (b books) live() []dcm.VM {
	return slices.DeleteFunc(slices.Collect(maps.Values(b.vms)), func(vm dcm.VM) bool { return !vm.Status.Active() })
}

// breaches are what does not hold for a tenant, each in words, once the sweeps
// have come round and nothing is under way but what is on record.
func (w *world) breaches(b books) []string {
	w.t.Helper()
	return slices.Concat(
		w.strayServers(b), w.strayRecords(b), w.missingServers(b), w.strayUploads(b),
		b.miscounted(), b.misbilled(), w.overdue(b), w.unreadable(b),
	)
}

// strayServers: every server belongs to a live record.
func (w *world) strayServers(b books) (wrong []string) {
	for _, s := range w.State().Servers {
		if s.Labels[dcm.LabelTenant] != string(b.tenant) {
			continue
		}
		vm, known := b.vms[dcm.VMID(s.Labels[dcm.LabelVM])]
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("server %s has no record", s.Name))
		case !vm.Status.Active():
			wrong = append(wrong, fmt.Sprintf("server %s belongs to a VM that is %s", s.Name, vm.Status))
		case vm.ProviderID != s.ID:
			wrong = append(wrong, fmt.Sprintf("server %s is %s, its record says %q", s.Name, s.ID, vm.ProviderID))
		}
	}
	return wrong
}

// strayRecords: every DNS record belongs to a live record.
func (w *world) strayRecords(b books) (wrong []string) {
	for _, r := range w.State().DNSRecords {
		id, ours := strings.CutPrefix(r.Comment, dcm.DNSComment("local", b.tenant, ""))
		if !ours {
			continue
		}
		if vm := b.vms[dcm.VMID(id)]; !vm.Status.Active() {
			wrong = append(wrong, fmt.Sprintf("DNS record %s %s belongs to no live VM", r.Type, r.Name))
		}
	}
	return wrong
}

// missingServers: every live record's server exists.
func (w *world) missingServers(b books) (wrong []string) {
	there := map[string]bool{}
	for _, s := range w.State().Servers {
		there[s.ID] = true
	}
	for _, vm := range b.live() {
		if !there[vm.ProviderID] {
			wrong = append(wrong, fmt.Sprintf("VM %s is %s, its server %q does not exist", vm.ID, vm.Status, vm.ProviderID))
		}
	}
	return wrong
}

// strayUploads: no upload is unfinished but one that is on record.
func (w *world) strayUploads(b books) (wrong []string) {
	known := 0
	for _, vm := range b.live() {
		if vm.Upload != nil {
			known++
		}
	}
	for _, ws := range b.workspaces {
		if ws.Task != nil && ws.Task.Upload != nil {
			known++
		}
	}
	found := 0
	for _, u := range w.State().Uploads {
		if strings.HasPrefix(u.Key, string(b.tenant)+"/") {
			found++
		}
	}
	if found > known {
		wrong = append(wrong, fmt.Sprintf("%d uploads are unfinished, %d are on record", found, known))
	}
	return wrong
}

// miscounted: every counter is what it counts.
func (b books) miscounted() (wrong []string) {
	expect := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: %v are on record, there are %v", what, got, want))
		}
	}
	reserved, stored, own := dcm.Micros(0), int64(0), map[string]int{}
	for _, vm := range b.live() {
		reserved += vm.Reserved
		if vm.AccountID != dcm.PlatformAccount {
			own[vm.Provider]++
		}
	}
	for _, ws := range b.workspaces {
		if ws.Backup != nil {
			stored += ws.Backup.SizeBytes
		}
		if vm, held := b.vms[ws.ActiveVM]; ws.ActiveVM != "" && (!held || !vm.Status.Active()) {
			wrong = append(wrong, fmt.Sprintf("workspace %s is held by %s, which has ended", ws.ID, ws.ActiveVM))
		}
	}
	t := b.accounts.Tenant
	expect("quota slots", t.ActiveVMs, len(b.live()))
	expect("the reserved cost", t.Spend.Reserved, reserved)
	expect("stored bytes", t.StorageBytes, stored)
	for name, account := range b.accounts.Providers {
		expect("VMs in the account at "+name, account.ActiveVMs, own[name])
	}
	return wrong
}

// misbilled: usage is what the receipts add up to, and whatever has ended has
// one.
func (b books) misbilled() (wrong []string) {
	type line struct {
		month    dcm.Month
		provider string
		size     dcm.Size
	}
	want := map[line]dcm.Usage{}
	add := func(u dcm.Usage) {
		sum := want[line{u.Month, u.Provider, u.Size}]
		sum.VMsStarted += u.VMsStarted
		sum.VMSeconds += u.VMSeconds
		sum.BilledHours += u.BilledHours
		sum.Cost += u.Cost
		want[line{u.Month, u.Provider, u.Size}] = sum
	}
	for _, vm := range b.vms {
		add(vm.Started())
		if vm.Status.Active() {
			continue
		}
		if vm.Receipt == nil || vm.StoppedAt == nil {
			wrong = append(wrong, fmt.Sprintf("VM %s has ended without a receipt", vm.ID))
			continue
		}
		wrong = append(wrong, unpaid(vm)...)
		for _, u := range vm.Receipt.Usage {
			add(u)
		}
	}
	for _, month := range b.usage {
		for _, got := range month.VMs {
			at := line{got.Month, got.Provider, got.Size}
			sum := want[at]
			sum.Month, sum.Provider, sum.Size = got.Month, got.Provider, got.Size
			if got != sum {
				wrong = append(wrong, fmt.Sprintf("usage is %+v, the VMs add up to %+v", got, sum))
			}
			delete(want, at)
		}
	}
	for at, sum := range want {
		wrong = append(wrong, fmt.Sprintf("usage of %v is missing: %+v", at, sum))
	}
	return wrong
}

// unpaid: a receipt is for what the record says that there was.
func unpaid(vm dcm.VM) (wrong []string) {
	r := vm.Receipt
	if vm.ProviderID != "" && r.ServerID != vm.ProviderID {
		wrong = append(wrong, fmt.Sprintf("the receipt of %s is for server %q, its record says %q", vm.ID, r.ServerID, vm.ProviderID))
	}
	if r.ServerID != "" && (r.ConfirmedAt.IsZero() || r.ConfirmedAt.Before(r.AskedAt)) {
		wrong = append(wrong, fmt.Sprintf("the receipt of %s: asked at %s, confirmed at %s", vm.ID, r.AskedAt, r.ConfirmedAt))
	}
	billed := vm
	billed.ProviderID = r.ServerID
	used, err := billed.UsageUntil(*vm.StoppedAt)
	if err != nil || len(used) != len(r.Usage) {
		return append(wrong, fmt.Sprintf("the receipt of %s says %+v, it used %+v: %v", vm.ID, r.Usage, used, err))
	}
	for i := range used {
		if used[i].VMSeconds != r.Usage[i].VMSeconds || used[i].BilledHours != r.Usage[i].BilledHours {
			wrong = append(wrong, fmt.Sprintf("the receipt of %s says %+v, it used %+v", vm.ID, r.Usage[i], used[i]))
		}
	}
	return wrong
}

// overdue: nothing that was due is still waiting.
func (w *world) overdue(b books) (wrong []string) {
	now := w.Now()
	for _, vm := range b.vms {
		if !vm.DueAt.IsZero() && !vm.DueAt.After(now) {
			wrong = append(wrong, fmt.Sprintf("VM %s (%s) is due since %s", vm.ID, vm.Status, now.Sub(vm.DueAt)))
		}
		if vm.Status.Active() == vm.DueAt.IsZero() {
			wrong = append(wrong, fmt.Sprintf("VM %s is %s and due at %s", vm.ID, vm.Status, vm.DueAt))
		}
	}
	for _, ws := range b.workspaces {
		if !ws.DueAt.IsZero() && !ws.DueAt.After(now) {
			wrong = append(wrong, fmt.Sprintf("workspace %s is due since %s", ws.ID, now.Sub(ws.DueAt)))
		}
		if ws.Task != nil && ws.DueAt.IsZero() {
			wrong = append(wrong, fmt.Sprintf("workspace %s has a task and is never due", ws.ID))
		}
	}
	return wrong
}

// unreadable: every workspace's backup opens.
func (w *world) unreadable(b books) (wrong []string) {
	for _, ws := range b.workspaces {
		if ws.Backup == nil {
			continue
		}
		if _, err := w.open(ws, b.accounts); err != nil {
			wrong = append(wrong, fmt.Sprintf("the backup of %s can't be read: %v", ws.ID, err))
		}
	}
	return wrong
}
