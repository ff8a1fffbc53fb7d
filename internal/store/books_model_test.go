package store_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// TestBooksBalance drives random launches, backups, ends, copies, deletions and
// limits of a tenant over months, and holds the store to a model that keeps
// every amount: quotas, what is reserved, spent, used and stored.
func TestBooksBalance(t *testing.T) {
	t.Parallel()
	local := backends()[0]
	c := local.client(local.endpoint(t, clocktest.New(storetest.Start())))
	table, tried := newTable(t, c), 0
	rapid.Check(t, func(rt *rapid.T) {
		tried++
		clock := clocktest.New(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC))
		tenant := dcm.TenantID("t" + counted(tried))
		b := &books{
			t: t, clock: clock, tenant: tenant,
			store:  store.New(c, store.Options{Table: table, Clock: clock}).Tenant(tenant),
			quotas: dcm.Quotas{MaxConcurrentVMs: 3},
			used:   map[dcm.Usage]dcm.Usage{}, stored: map[dcm.Month]dcm.ByteSeconds{},
			ended: map[dcm.VMID]dcm.VM{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"launch": b.launch, "end": b.end, "save": b.save, "copy": b.copy, "drop": b.drop,
			"limit": b.limit, "pass": b.pass, "": b.check,
		})
	})
}

// books are the model. A workspace has one VM, active or ended, and a backup
// once it was saved.
type books struct {
	t      *testing.T
	clock  *clocktest.Clock
	tenant dcm.TenantID
	store  dcm.TenantStore

	made   int
	quotas dcm.Quotas
	active []dcm.VM
	ended  map[dcm.VMID]dcm.VM // their Restore is the workspace's backup
	month  dcm.Month           // that anything was booked in last
	spent  dcm.Micros
	// used is by month, provider and size, stored by month.
	used   map[dcm.Usage]dcm.Usage
	stored map[dcm.Month]dcm.ByteSeconds
}

func (b *books) must(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatal(err)
	}
}

func (b *books) reserved() (sum dcm.Micros) {
	for _, vm := range b.active {
		sum += vm.Reserved
	}
	return sum
}

func (b *books) bytes() (sum int64) {
	for _, vm := range append(slices.Collect(maps.Values(b.ended)), b.active...) {
		if vm.Restore != nil {
			sum += vm.Restore.SizeBytes
		}
	}
	return sum
}

// open begins a month's books.
func (b *books) open(m dcm.Month) {
	if m != b.month {
		b.month, b.spent = m, 0
	}
}

func (b *books) count(u dcm.Usage) {
	k := dcm.Usage{Month: u.Month, Provider: u.Provider, Size: u.Size}
	sum := b.used[k]
	b.used[k] = dcm.Usage{
		Month: u.Month, Provider: u.Provider, Size: u.Size, VMsStarted: sum.VMsStarted + u.VMsStarted,
		VMSeconds: sum.VMSeconds + u.VMSeconds, BilledHours: sum.BilledHours + u.BilledHours, Cost: sum.Cost + u.Cost,
	}
	if u.Month == b.month {
		b.spent += u.Cost
	}
}

func (b *books) launch(rt *rapid.T) {
	b.made++
	now := b.clock.Now()
	vm := storetest.FullVM(dcm.VMID("vm-"+counted(b.made)), dcm.WorkspaceID("ws-"+counted(b.made)), b.tenant, now)
	vm.Provider = rapid.SampledFrom(dcm.ProviderNames).Draw(rt, "provider")
	vm.Size = rapid.SampledFrom(dcm.Sizes).Draw(rt, "size")
	vm.Reserved = dcm.Micros(rapid.IntRange(0, 500).Draw(rt, "reserve"))
	vm.Price = &dcm.Price{Hourly: "0.000001", Currency: "EUR"}
	vm.ProviderID = rapid.SampledFrom([]string{"", "4711"}).Draw(rt, "server")
	w := dcm.Workspace{ID: vm.WorkspaceID, TenantID: b.tenant, CreatedAt: now, UpdatedAt: now, ActiveVM: vm.ID, CreatedBy: vm.ID}
	spent := b.spent
	if dcm.MonthOf(now) != b.month {
		spent = 0
	}
	q := b.quotas
	fits := len(b.active) < q.MaxConcurrentVMs && q.Allows(vm.Provider) &&
		(q.MaxStorageGB == 0 || b.bytes() < int64(q.MaxStorageGB)*1e9) &&
		(q.MaxMonthlySpend == 0 || spent+b.reserved()+vm.Reserved <= q.MaxMonthlySpend)
	err := b.store.CreateVM(b.t.Context(), dcm.Intent{VM: vm, Workspace: w, NewWorkspace: true, DefaultQuotas: b.quotas})
	if !fits {
		if dcm.ErrorCode(err) != dcm.CodeQuotaExceeded {
			rt.Fatalf("a launch over the quota: %v", err)
		}
		return
	}
	b.must(rt, err)
	b.open(dcm.MonthOf(now))
	b.active = append(b.active, vm)
	b.count(vm.Started())
}

func (b *books) end(rt *rapid.T) {
	if len(b.active) == 0 {
		return
	}
	n := rapid.IntRange(0, len(b.active)-1).Draw(rt, "which")
	vm, now := b.active[n], b.clock.Now()
	stopping := dcm.StatusStopping
	_, err := b.store.ChangeVM(b.t.Context(), vm.ID, dcm.VMChange{From: dcm.Statuses[:2], Status: &stopping})
	b.must(rt, err)
	used, err := vm.UsageUntil(now)
	b.must(rt, err)
	drop := rapid.Bool().Draw(rt, "drop")
	b.must(rt, b.store.FinishVM(b.t.Context(), dcm.Finish{
		VM: vm.ID, Workspace: vm.WorkspaceID, At: now, Provider: vm.Provider, Reserved: vm.Reserved, Receipt: dcm.Receipt{Usage: used}, DropWorkspace: drop,
	}))
	b.active = slices.Delete(b.active, n, n+1)
	b.open(dcm.MonthOf(now))
	for _, u := range used {
		b.count(u)
	}
	if vm.Restore != nil || !drop {
		b.ended[vm.ID] = vm
	}
}

func (b *books) backup(rt *rapid.T, vm dcm.VM) dcm.Backup {
	b.made++
	return dcm.Backup{
		ID: dcm.BackupID("bk-" + counted(b.made)), Key: dcm.BackupKey(b.tenant, vm.WorkspaceID), VersionID: counted(b.made),
		SizeBytes: rapid.Int64Range(0, 3e9).Draw(rt, "size"), Generation: vm.Generation, TakenAt: b.clock.Now(),
	}
}

func (b *books) save(rt *rapid.T) {
	if len(b.active) == 0 {
		return
	}
	vm := &b.active[rapid.IntRange(0, len(b.active)-1).Draw(rt, "which")]
	next := b.backup(rt, *vm)
	next.Generation++
	b.must(rt, b.store.AdvanceGeneration(b.t.Context(), vm.ID, vm.WorkspaceID, next))
	vm.Generation, vm.Restore = next.Generation, &next
}

// pick draws an ended VM; false for none.
func (b *books) pick(rt *rapid.T) (dcm.VM, bool) {
	ids := slices.Sorted(maps.Keys(b.ended))
	if len(ids) == 0 {
		return dcm.VM{}, false
	}
	return b.ended[rapid.SampledFrom(ids).Draw(rt, "which")], true
}

func (b *books) task(rt *rapid.T, w dcm.WorkspaceID, kind dcm.TaskKind) {
	_, err := b.store.ChangeWorkspace(b.t.Context(), w, dcm.WorkspaceChange{IfFree: true, Task: &dcm.WorkspaceTask{Kind: kind}})
	b.must(rt, err)
}

func (b *books) copy(rt *rapid.T) {
	vm, ok := b.pick(rt)
	if !ok || vm.Restore == nil {
		return
	}
	b.task(rt, vm.WorkspaceID, dcm.TaskRotate)
	next := b.backup(rt, vm)
	b.must(rt, b.store.ReplaceBackup(b.t.Context(), vm.WorkspaceID, *vm.Restore, next))
	vm.Restore = &next
	b.ended[vm.ID] = vm
}

func (b *books) drop(rt *rapid.T) {
	if vm, ok := b.pick(rt); ok {
		b.task(rt, vm.WorkspaceID, dcm.TaskDelete)
		b.must(rt, b.store.DropWorkspace(b.t.Context(), vm.WorkspaceID, b.clock.Now()))
		delete(b.ended, vm.ID)
	}
}

func (b *books) limit(rt *rapid.T) {
	b.quotas = dcm.Quotas{
		MaxConcurrentVMs: rapid.IntRange(1, 5).Draw(rt, "VMs"),
		MaxStorageGB:     rapid.SampledFrom([]int{0, 0, 4, 8}).Draw(rt, "GB"),
		MaxMonthlySpend:  dcm.Micros(rapid.SampledFrom([]int{0, 500, 1000, 2000}).Draw(rt, "spend")),
		AllowedProviders: rapid.SampledFrom([][]string{nil, nil, {"hetzner"}, {"ovh", "scaleway"}}).Draw(rt, "providers"),
	}
	_, err := b.store.SetQuotas(b.t.Context(), b.quotas, dcm.Quotas{}, b.clock.Now())
	b.must(rt, err)
}

func (b *books) pass(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 40*24*3600).Draw(rt, "seconds")) * time.Second
	if rapid.Bool().Draw(rt, "short") {
		d %= 3 * time.Hour
	}
	now := b.clock.Now()
	for _, u := range dcm.SplitStorage(b.bytes(), now, now.Add(d)) {
		b.stored[u.Month] = b.stored[u.Month].Plus(u.ByteSeconds)
	}
	b.clock.Advance(d)
}

// check compares all that can be read.
func (b *books) check(rt *rapid.T) {
	known, err := b.store.Accounts(b.t.Context())
	b.must(rt, err)
	got := known.Tenant
	if got.ActiveVMs != len(b.active) || got.StorageBytes != b.bytes() ||
		got.Spend != (dcm.Spend{Month: b.month, Spent: b.spent, Reserved: b.reserved()}) {
		rt.Fatalf("the profile is %+v, with %d VMs, %d bytes, month %s, %s spent, %s reserved",
			got, len(b.active), b.bytes(), b.month, b.spent, b.reserved())
	}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for at := start; !at.After(b.clock.Now().AddDate(0, 1, 0)); at = at.AddDate(0, 1, 0) {
		b.checkMonth(rt, dcm.MonthOf(at))
	}
}

func (b *books) checkMonth(rt *rapid.T, m dcm.Month) {
	got, err := b.store.Usage(b.t.Context(), m)
	b.must(rt, err)
	want := dcm.MonthlyUsage{Month: m, Storage: b.stored[m]}
	for _, provider := range slices.Sorted(slices.Values(dcm.ProviderNames)) {
		for _, size := range dcm.Sizes {
			if u, ok := b.used[dcm.Usage{Month: m, Provider: provider, Size: size}]; ok {
				want.VMs = append(want.VMs, u)
				want.Cost += u.Cost
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		rt.Fatalf("usage is\n%+v\nwant\n%+v", got, want)
	}
}

// counted is n in ten of the letters that ids have.
func counted(n int) string {
	const letters = "abcdefgh"
	text := []byte("aaaaaaaaaa")
	for at := len(text) - 1; n > 0; at-- {
		text[at] = letters[n%len(letters)]
		n /= len(letters)
	}
	return string(text)
}
