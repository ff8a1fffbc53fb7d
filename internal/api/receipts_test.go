package api_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// usedLine is what usage is counted by.
type usedLine struct {
	month    dcm.Month
	provider string
	size     dcm.Size
}

// used is what was used, without what was started: a launch counts that.
type used struct {
	seconds, hours int64
	cost           dcm.Micros
}

func (w *world) money(text string) dcm.Micros {
	w.t.Helper()
	m, err := dcm.ParseMicros(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// addsUp holds what the receipts say against the tenant's usage.
func (c caller) addsUp(months ...dcm.Month) {
	c.w.t.Helper()
	sum, want := map[usedLine]used{}, map[usedLine]used{}
	for _, vm := range c.listed() {
		if vm.Receipt == nil {
			continue
		}
		for _, u := range vm.Receipt.Usage {
			line := usedLine{u.Month, u.Provider, u.Size}
			s := sum[line]
			sum[line] = used{s.seconds + u.VMSeconds, s.hours + u.BilledHours, s.cost + c.w.money(u.Cost)}
		}
	}
	for _, month := range months {
		for _, u := range c.usage(month).Items {
			if counted := (used{u.VMSeconds, u.BilledHours, c.w.money(u.Cost)}); counted != (used{}) {
				want[usedLine{month, u.Provider, u.Size}] = counted
			}
		}
	}
	if len(sum) != len(want) {
		c.w.t.Errorf("the receipts add up to %+v, the usage is %+v", sum, want)
	}
	for line, counted := range want {
		if sum[line] != counted {
			c.w.t.Errorf("%v: the receipts add up to %+v, the usage is %+v", line, sum[line], counted)
		}
	}
}

// receipt is the one of a VM that has ended, in its record and nowhere else.
func (c caller) receipt(id dcm.VMID) api.Receipt {
	c.w.t.Helper()
	vm := c.get(id)
	r := vm.Receipt
	if vm.Status != dcm.StatusStopped || r == nil {
		c.w.t.Fatalf("%s is %s, with the receipt %+v", id, vm.Status, r)
	}
	if r.AskedAt == nil || r.ConfirmedAt == nil || r.ConfirmedAt.Before(*r.AskedAt) || vm.StoppedAt.Before(*r.ConfirmedAt) {
		c.w.t.Errorf("asked at %v, confirmed at %v, stopped at %v", r.AskedAt, r.ConfirmedAt, vm.StoppedAt)
	}
	if vm.OrphanMinutes != 0 || len(c.w.receipts(vm.TenantID)) != 0 {
		c.w.t.Errorf("%d orphan minutes, orphans %+v", vm.OrphanMinutes, c.w.receipts(vm.TenantID))
	}
	return *r
}

// TestEveryEndLeavesOneReceipt: however a VM ends, and however often that is
// asked for, its record says once what was deleted, and that is what is counted.
func TestEveryEndLeavesOneReceipt(t *testing.T) {
	t.Parallel()
	force := func(user caller, id dcm.VMID) answer {
		return user.call("DELETE", "/vms/"+string(id)+"?force=true", nil)
	}
	type end func(w *world, user caller, m *machine)
	ends := map[string]end{
		"its owner's wish": func(w *world, user caller, m *machine) {
			user.call("DELETE", "/vms/"+string(m.id), nil).expect(w.t, 202)
			m.backup(0, []byte("x"))
			m.cleanup(1).expect(w.t, 202)
		},
		"force": func(w *world, user caller, m *machine) { force(user, m.id).expect(w.t, 202) },
		"idle": func(w *world, user caller, m *machine) {
			m.beat(dcm.Heartbeat{State: dcm.AgentStopping, Reason: dcm.StopIdle})
			m.backup(0, []byte("x"))
			m.cleanup(1).expect(w.t, 202)
		},
		"a sweep": func(w *world, user caller, m *machine) {
			for range 30 {
				w.advance(dcm.StopGrace / 4)
				w.sweep()
			}
		},
		"ten times, every answer lost": func(w *world, user caller, m *machine) {
			for _, service := range []string{"hetzner", "cloudflare", "dynamodb"} {
				w.fault(map[string]any{"service": service, "operation": "*", "mode": "lost_answer"})
			}
			for range 10 {
				force(user, m.id)
			}
			w.clearFaults()
			w.advance(2 * time.Minute)
			w.sweep()
			force(user, m.id).expect(w.t, 202)
		},
	}
	for _, f := range []struct{ service, operation string }{
		{"hetzner", "DeleteServer"}, {"hetzner", "GetServer"}, {"cloudflare", "DeleteRecord"}, {"dynamodb", "TransactWriteItems"}, {"dynamodb", "UpdateItem"},
	} {
		ends["the answer to "+f.operation+" lost"] = func(w *world, user caller, m *machine) {
			w.fault(map[string]any{"service": f.service, "operation": f.operation, "mode": "lost_answer", "count": 1})
			for range 10 {
				force(user, m.id)
			}
			w.advance(2 * time.Minute)
			w.sweep()
		}
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user := w.user("acme")
			m, vm := w.running(user)
			if got := user.get(vm.ID); got.Receipt != nil || got.OrphanMinutes != 0 {
				t.Errorf("a running VM has the receipt %+v", got.Receipt)
			}
			records := w.books("acme").vms[vm.ID].DNS.RecordIDs
			w.advance(time.Minute)
			end(w, user, m)
			r := user.receipt(vm.ID)
			if r.ServerID == nil || *r.ServerID != *vm.ProviderID || !slices.Equal(r.DNSRecordIDs, records) || len(records) != 2 {
				t.Errorf("server %s with records %v: the receipt is %+v", *vm.ProviderID, records, r)
			}
			if len(r.Usage) == 0 || r.Usage[0].VMSeconds < 60 {
				t.Errorf("usage %+v", r.Usage)
			}
			user.addsUp(dcm.MonthOf(vm.CreatedAt), dcm.MonthOf(w.Now()))
			w.nothingLeft()
		})
	}
}

// TestReceiptOfAFailedLaunch: a server that never was is in no receipt; one that
// only its name led to is, even if the release that found it had to be put off.
func TestReceiptOfAFailedLaunch(t *testing.T) {
	t.Parallel()
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable"})
		user.call("POST", "/vms", w.launchBody()).expect(t, 503)
		r := user.receipt(user.listed()[0].ID)
		if r.ServerID != nil || len(r.DNSRecordIDs) != 0 || len(r.Usage) != 0 {
			t.Errorf("%+v", r)
		}
		user.addsUp(dcm.MonthOf(w.Now()))
	})
	for name, again := range map[string]bool{"a server nobody recorded": false, "a server nobody recorded, found and not confirmed gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user := w.user("acme")
			w.fault(map[string]any{"service": "dynamodb", "operation": "UpdateItem", "mode": "error"})
			user.call("POST", "/vms", w.launchBody()).expect(t, 500)
			w.clearFaults()
			server, id := w.State().Servers[0].ID, user.listed()[0].ID
			w.advance(dcm.LaunchDeadline)
			if again {
				// It is found by its name, deleted, and then not asked for.
				w.fault(map[string]any{"service": "hetzner", "operation": "GetServer", "mode": "error", "code": "server_error"})
				w.sweep()
				w.clearFaults()
				if got := user.get(id); len(w.State().Servers) != 0 || got.Status != dcm.StatusStopping || got.Receipt != nil {
					t.Fatalf("%s with the receipt %+v and %d servers", got.Status, got.Receipt, len(w.State().Servers))
				}
			}
			asked := w.Now()
			w.advance(time.Hour)
			w.sweep()
			r := user.receipt(id)
			if r.ServerID == nil || *r.ServerID != server || again && !r.AskedAt.Before(asked) || len(r.Usage) != 1 {
				t.Errorf("server %s, asked by %s: %+v", server, asked, r)
			}
			user.addsUp(dcm.MonthOf(w.Now()))
			w.nothingLeft()
		})
	}
}

// TestReceiptOfALongRelease: the deletion was asked for when it first was, not
// when it at last worked.
func TestReceiptOfALongRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, vm := w.running(user)
	w.fault(map[string]any{"service": "hetzner", "operation": "DeleteServer", "mode": "error", "code": "server_error"})
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	asked := w.Now()
	for range 6 {
		w.advance(10 * time.Minute)
		w.sweep()
	}
	w.clearFaults()
	w.advance(2 * time.Minute)
	w.sweep()
	if r := user.receipt(vm.ID); r.AskedAt.After(asked) || r.ConfirmedAt.Sub(*r.AskedAt) < time.Hour {
		t.Errorf("asked by %s: %+v", asked, r)
	}
	user.addsUp(dcm.MonthOf(w.Now()))
}

// TestReceiptsAcrossAMonthsEnd: receipts add up to the usage of every month,
// provider and size.
func TestReceiptsAcrossAMonthsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	month := w.untilMonthEnds(70 * time.Minute)
	m, _ := w.running(user)
	large := user.launchSized(dcm.SizeLarge)
	w.advance(5 * time.Minute)
	user.drop(large.ID)
	user.addsUp(month)
	for range 11 {
		w.advance(7 * time.Minute)
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	}
	user.drop(user.launchSized(dcm.SizeMedium).ID)
	user.drop(m.id)
	now := dcm.MonthOf(w.Now())
	if r := user.receipt(m.id); now == month || len(r.Usage) != 2 || r.Usage[0].Month != month || r.Usage[1].Month != now {
		t.Errorf("%+v", r.Usage)
	}
	user.addsUp(month, now)
}

// TestTenantOrphans: what outlived its VM is told to its tenant, in a list and in
// the VM's record, and to nobody else.
func TestTenantOrphans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user, other := w.user("acme"), w.user("evil")
	list := func(c caller, query string) api.Page[api.Orphan] {
		t.Helper()
		return decode[api.Page[api.Orphan]](t, c.call("GET", "/tenant/orphans"+query, nil).expect(t, 200))
	}
	if page := list(user, ""); len(page.Items) != 0 || page.NextCursor != nil {
		t.Errorf("%+v", page)
	}
	_, ended := w.running(user)
	user.drop(ended.ID)
	first, second := w.server("acme", ended.ID), ""
	w.advance(10 * time.Minute)
	second = w.serverWith(platformToken, "another", labels("acme", ended.ID))
	w.old()
	w.sweepOrphans()
	page := list(user, "?limit=1")
	if len(page.Items) != 1 || page.NextCursor == nil {
		t.Fatalf("%+v", page)
	}
	rest := list(user, "?limit=1&cursor="+url.QueryEscape(*page.NextCursor))
	if len(rest.Items) != 1 || rest.NextCursor != nil {
		t.Fatalf("%+v", rest)
	}
	minutes := 0
	for i, o := range append(page.Items, rest.Items...) {
		if o.Kind != dcm.OrphanServer || o.Service != "hetzner" || o.Account != "platform" || o.ID != []string{second, first}[i] ||
			o.VMID == nil || *o.VMID != ended.ID || o.WorkspaceID == nil || *o.WorkspaceID != ended.WorkspaceID || o.Why == "" ||
			o.ConfirmedAt == nil || o.FoundAt.Before(o.CreatedAt) || o.OrphanMinutes != dcm.OrphanMinutes(o.EndedAt, *o.ConfirmedAt) {
			t.Errorf("%+v", o)
		}
		minutes += o.OrphanMinutes
	}
	if got := user.get(ended.ID); got.OrphanMinutes != minutes || minutes < 2*16 || *got.Receipt.ServerID != *ended.ProviderID {
		t.Errorf("%d orphan minutes, want %d; %+v", got.OrphanMinutes, minutes, got.Receipt)
	}

	if page := list(other, ""); len(page.Items) != 0 {
		t.Errorf("another tenant sees %+v", page)
	}
	other.call("GET", "/tenant/orphans?cursor="+url.QueryEscape(*page.NextCursor), nil).expect(t, 400)
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "cursor=x": "cursor", "cursor=": "cursor", "page=2": "page",
	} {
		var problem struct{ Errors []dcm.FieldError }
		a := user.call("GET", "/tenant/orphans?"+query, nil).expect(t, 400)
		if err := json.Unmarshal(a.body, &problem); err != nil || len(problem.Errors) != 1 || problem.Errors[0].Field != field {
			t.Errorf("%s: %s", query, a.body)
		}
	}
}
