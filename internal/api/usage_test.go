package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func (c caller) usage(month dcm.Month) api.Usage {
	c.w.t.Helper()
	query := ""
	if month != "" {
		query = "?month=" + string(month)
	}
	return decode[api.Usage](c.w.t, c.call("GET", "/tenant/usage"+query, nil).expect(c.w.t, 200))
}

// launchSized launches a VM of another size.
func (c caller) launchSized(size dcm.Size) api.CreatedVM {
	c.w.t.Helper()
	return decode[api.CreatedVM](c.w.t, c.call("POST", "/vms", c.w.launchWith("size", size)).expect(c.w.t, 201))
}

func (c caller) drop(id dcm.VMID) api.VM {
	c.w.t.Helper()
	c.call("DELETE", "/vms/"+string(id)+"?force=true", nil).expect(c.w.t, 202)
	vm := c.get(id)
	if vm.Status != dcm.StatusStopped {
		c.w.t.Fatalf("%s is %s", id, vm.Status)
	}
	return vm
}

// ledger is what VMs must have used, by month and size.
type ledger map[dcm.Month]map[dcm.Size]*api.UsageItem

// expected is the ledger of VMs, as their records tell it.
func expected(t *testing.T, vms ...api.VM) ledger {
	t.Helper()
	l, costs := ledger{}, map[*api.UsageItem]dcm.Micros{}
	item := func(u dcm.Usage) *api.UsageItem {
		if l[u.Month] == nil {
			l[u.Month] = map[dcm.Size]*api.UsageItem{}
		}
		if l[u.Month][u.Size] == nil {
			l[u.Month][u.Size] = &api.UsageItem{Provider: u.Provider, Size: u.Size}
		}
		return l[u.Month][u.Size]
	}
	for _, v := range vms {
		vm := dcm.VM{ID: v.ID, Provider: v.Provider, Size: v.Size, CreatedAt: v.CreatedAt}
		if v.ProviderID != nil {
			vm.ProviderID = *v.ProviderID
		}
		if v.Price != nil {
			vm.Price = &dcm.Price{Hourly: v.Price.Hourly}
		}
		item(vm.Started()).VMsStarted++
		if v.StoppedAt == nil {
			continue
		}
		used, err := vm.UsageUntil(*v.StoppedAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range used {
			i := item(u)
			i.VMSeconds += u.VMSeconds
			i.BilledHours += u.BilledHours
			costs[i] += u.Cost
		}
	}
	for _, sizes := range l {
		for _, i := range sizes {
			i.Cost = costs[i].String()
		}
	}
	return l
}

func (c caller) expectUsage(l ledger) {
	c.w.t.Helper()
	for month, sizes := range l {
		got := c.usage(month)
		var want []api.UsageItem
		total := dcm.Micros(0)
		for _, size := range dcm.Sizes {
			if i := sizes[size]; i != nil {
				want = append(want, *i)
				cost, err := dcm.ParseMicros(i.Cost)
				if err != nil {
					c.w.t.Fatal(err)
				}
				total += cost
			}
		}
		if !slices.Equal(got.Items, want) || got.TotalCost != total.String() || got.Currency != "EUR" || got.Month != month {
			c.w.t.Errorf("%s: %+v, want %+v (%s)", month, got, want, total)
		}
	}
}

// untilMonthEnds advances the clock to so long before the next month.
func (w *world) untilMonthEnds(left time.Duration) dcm.Month {
	w.t.Helper()
	now := w.Now().UTC()
	next := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	w.advance(next.Sub(now) - left)
	return dcm.MonthOf(w.Now())
}

// TestUsageAcrossAMonthsEnd: VMs are counted where they ran, to the second.
func TestUsageAcrossAMonthsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	month := w.untilMonthEnds(70 * time.Minute)
	early, first := w.running(user)
	across, second := w.running(user)
	late := user.launchSized(dcm.SizeLarge)
	user.expectUsage(expected(t, first.VM, second.VM, late.VM))
	pass := func(minutes int, machines ...*machine) {
		for range minutes / 7 {
			w.advance(7 * time.Minute)
			for _, m := range machines {
				m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
			}
		}
	}
	ended := []api.VM{user.drop(late.ID)}
	pass(63, early, across)
	ended = append(ended, user.drop(early.id))
	pass(70, across)
	if now := dcm.MonthOf(w.Now()); now == month {
		t.Fatal("it is still the same month")
	}
	ended = append(ended, user.drop(across.id))
	l := expected(t, ended...)
	if len(l) != 2 || len(l[month]) != 2 {
		t.Fatalf("months %v", l)
	}
	user.expectUsage(l)
	if got := user.usage(""); got.Month == month || len(got.Items) != 1 || got.Items[0].BilledHours != 1 {
		t.Errorf("the current month by default: %+v", got)
	}
	if got := w.user("evil").usage(month); len(got.Items) != 0 || got.TotalCost != "0.00" {
		t.Errorf("another tenant used %+v", got)
	}
}

// TestUsageIsCountedOnce: neither a lost answer nor a failure counts a VM twice,
// or forgets it.
func TestUsageIsCountedOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"lost_answer", "error"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user := w.user("acme")
			var ended []api.VM
			for range 3 {
				w.fault(map[string]any{"service": "dynamodb", "operation": "TransactWriteItems", "mode": mode, "count": 1})
				vm := user.launch()
				w.fault(map[string]any{"service": "dynamodb", "operation": "TransactWriteItems", "mode": mode, "count": 2})
				w.advance(dcm.LaunchDeadline + time.Second)
				for range 3 {
					user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil)
				}
				w.clearFaults()
				w.advance(2 * time.Minute)
				w.sweep()
				ended = append(ended, user.drop(vm.ID))
			}
			user.expectUsage(expected(t, ended...))
			if glance := user.tenant().Usage; glance.ActiveVMs != 0 || glance.Reserved != "0.00" || glance.Spent != user.usage("").TotalCost {
				t.Errorf("at a glance %+v, the month %+v", glance, user.usage(""))
			}
		})
	}
}

// TestUsageOfManyAtOnce: VMs that end at the same moment are all counted.
func TestUsageOfManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "20"})
	user := w.user("acme")
	const n = 8
	made := make([]api.CreatedVM, n)
	done := make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			made[i] = user.launchSized(dcm.Sizes[i%3])
		}()
	}
	for range n {
		<-done
	}
	w.advance(90 * time.Minute)
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			user.call("DELETE", "/vms/"+string(made[i].ID)+"?force=true", nil)
		}()
	}
	for range n {
		<-done
	}
	w.advance(2 * time.Minute)
	w.sweep()
	var ended []api.VM
	for _, vm := range made {
		ended = append(ended, user.drop(vm.ID))
	}
	user.expectUsage(expected(t, ended...))
}

// TestStorageUsage: what a backup weighs counts by the hour.
func TestStorageUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	m.backup(0, []byte(strings.Repeat("x", 1000)))
	m.cleanup(1).expect(t, 202)
	ws := decode[api.Workspace](t, user.call("GET", "/workspaces/"+string(vm.WorkspaceID), nil).expect(t, 200))
	month := w.untilMonthEnds(0)
	w.advance(10 * 24 * time.Hour)
	got := user.usage("")
	hours := w.Now().Sub(time.Date(w.Now().UTC().Year(), w.Now().UTC().Month(), 1, 0, 0, 0, 0, time.UTC)).Hours()
	want := float64(ws.Backup.Size) * hours / 1e9
	if got.StorageGBHours < want*0.99-1e-6 || got.StorageGBHours > want*1.01+1e-6 {
		t.Errorf("%v GB hours after %v hours of %d bytes, want %v", got.StorageGBHours, hours, ws.Backup.Size, want)
	}
	if before := user.usage(month); before.Month != month {
		t.Errorf("month %s", before.Month)
	}
}

func TestUsageOfWhichMonth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	now := w.Now().UTC()
	for query, message := range map[string]string{
		"month=": "such as", "month=2026-13": "such as", "month=11-2026": "such as", "month=2026-1": "such as", "month=2026-11-24": "such as",
		"month=%202026-11": "such as", "month=2026-11%00": "such as", "month=9999-12": "future",
		"month=" + string(dcm.MonthOf(now.AddDate(0, 0, 35))): "future",
		"month=2026-01&month=2026-02":                         "twice", "year=2026": "not a known",
	} {
		a := user.call("GET", "/tenant/usage?"+query, nil).expect(t, 400)
		if len(a.problem.Errors) != 1 || !strings.Contains(fmt.Sprint(a.problem.Errors), message) {
			t.Errorf("%s: %+v", query, a.problem.Errors)
		}
	}
	if got := user.usage("1999-12"); got.Items == nil || len(got.Items) != 0 || got.TotalCost != "0.00" || got.StorageGBHours != 0 {
		t.Errorf("a month before all: %+v", got)
	}
	w.callsDuring(func() {})
	calls := w.callsDuring(func() { user.usage("") })
	if n := total(calls["dynamodb"]); n > 1+dcm.DueShards*3 {
		t.Errorf("calls %v", calls["dynamodb"])
	}
}
