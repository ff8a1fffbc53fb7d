package api_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// events are the whole audit log, newest first.
func (c caller) events() []dcm.Event {
	c.w.t.Helper()
	var all []dcm.Event
	for cursor := ""; ; {
		page := decode[api.Page[dcm.Event]](c.w.t, c.call("GET", "/tenant/events?limit=100"+cursor, nil).expect(c.w.t, 200))
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all
		}
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}

// entry is an event without what differs from run to run.
type entry struct {
	actor                    dcm.Actor
	action, resource, result string
}

// expectEntries compares a log, newest first, with what was done in order.
func expectEntries(t *testing.T, events []dcm.Event, want ...entry) {
	t.Helper()
	for i := range max(len(events), len(want)) {
		var got entry
		if at := len(events) - 1 - i; at >= 0 {
			got = entry{events[at].Actor, events[at].Action, events[at].Resource, events[at].Result}
		}
		switch {
		case i >= len(events):
			t.Errorf("misses %v", want[i])
		case i >= len(want):
			t.Errorf("has too much: %v", got)
		case got != want[i]:
			t.Errorf("entry %d is %v, want %v", i, got, want[i])
		}
	}
}

// TestAuditOfALife: who did what to a VM, from its launch to its end.
func TestAuditOfALife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	started, complete := m.upload(0, []byte("x"))
	m.call("POST", m.path("/backups/"+string(started.BackupID)+"/complete"), complete).expect(t, 200)
	user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	m.cleanup(1).expect(t, 202)
	it := "vms/" + string(vm.ID)
	events := user.events()
	expectEntries(t, events,
		entry{dcm.ActorUser, "vms-create", it, "ok"},
		entry{dcm.ActorVM, "vms-bootstrap", it, "ok"},
		entry{dcm.ActorVM, "vms-backup-complete", it + "/backups/" + string(started.BackupID), "ok"},
		entry{dcm.ActorUser, "vms-delete", it, "ok"},
		entry{dcm.ActorVM, "vms-cleanup", it, "ok"},
	)
	for i, e := range events {
		if e.RequestID == "" || e.SourceIP == "" || e.At.IsZero() || (e.User == "u-acme") != (e.Actor == dcm.ActorUser) {
			t.Errorf("entry %+v", e)
		}
		if i > 0 && e.At.After(events[i-1].At) {
			t.Errorf("entry %d is newer than the one before it", i)
		}
	}
}

// TestAuditOfAResume: a VM that restores may make no more calls than others.
func TestAuditOfAResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	m.backup(0, []byte("x"))
	m.cleanup(1).expect(t, 202)
	second := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
	next := w.machine(second.ID)
	calls := w.callsDuring(func() { next.bootstrap() })
	delete(calls["dynamodb"], "Query") // a sweep may come round
	if n := total(calls["dynamodb"]); n > 2 {
		t.Errorf("bootstrap with a restore: %d calls: %v", n, calls["dynamodb"])
	}
	next.beat(dcm.Heartbeat{State: dcm.AgentBooting, Phase: dcm.PhaseRestoring})
	next.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	count := 0
	for _, e := range user.events() {
		if e.Action == "vms-bootstrap" && e.Resource == "vms/"+string(second.ID) {
			count++
		}
	}
	if count != 1 {
		t.Errorf("the bootstrap is %d times in the log", count)
	}
}

// TestAuditOfFailures: what was refused is in the log of the one who tried; of
// what a VM was refused, only a theft.
func TestAuditOfFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	vm := user.launch()
	m := w.machine(vm.ID)
	m.bootstrap()
	thief := caller{w, m.bootToken}
	thief.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: newPublicKey(t)}).expect(t, 403)
	w.user("acme", dcm.PermissionVMsRead).call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 403)
	user.call("DELETE", "/vms/vm-abcdefghjk", nil).expect(t, 404)
	user.call("DELETE", "/vms/"+url.PathEscape("a\u202eb"+strings.Repeat("x", 500)), nil).expect(t, 404)
	user.call("POST", "/vms", map[string]any{}).expect(t, 400)
	user.call("POST", "/vms", strings.Repeat(" ", dcm.MaxBodyBytes+1)).expect(t, 400)
	user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 409)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	m.cleanup(7).expect(t, 409)
	(caller{w: w}).call("POST", "/vms", w.launchBody()).expect(t, 401)
	w.user("evil").call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 404)
	it := "vms/" + string(vm.ID)
	expectEntries(t, user.events(),
		entry{dcm.ActorUser, "vms-create", it, "ok"},
		entry{dcm.ActorVM, "vms-bootstrap", it, "ok"},
		entry{dcm.ActorVM, "vms-bootstrap", it, "forbidden"},
		entry{dcm.ActorUser, "vms-delete", it, "forbidden"},
		entry{dcm.ActorUser, "vms-delete", "vms/vm-abcdefghjk", "not_found"},
		entry{dcm.ActorUser, "vms-delete", "vms/a\ufffdb" + strings.Repeat("x", 119) + "…", "not_found"},
		entry{dcm.ActorUser, "vms-create", "vms", "invalid"},
		entry{dcm.ActorUser, "vms-create", "vms", "invalid"},
		entry{dcm.ActorUser, "vms-create", "vms", "conflict"},
	)
	expectEntries(t, w.user("evil").events(), entry{dcm.ActorUser, "vms-delete", it, "not_found"})
}

// TestAStolenTokenAfterTheEnd: a VM's token outlives it. Whoever has it learns that
// the VM is gone, and can't bury the tenant's log.
func TestAStolenTokenAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	user.force(vm.ID)
	before := len(user.events())
	for range 3 {
		a := m.cleanup(0).expect(t, 202)
		if got, want := string(a.body), `{"id":"`+string(vm.ID)+`","status":"stopped"}`; got != want {
			t.Errorf("it learns %s", got)
		}
		m.call("POST", m.path("/backups/bk-abcdefghjk/complete"), dcm.BackupComplete{}).expect(t, 400)
		caller{w, m.bootToken}.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey}).expect(t, 409)
		m.challenge(challengeValue("one")).expect(t, 409)
	}
	if events := user.events(); len(events) != before {
		t.Errorf("the log has %+v", events[:len(events)-before])
	}
}

// TestAuditOfSweeps: what ended by itself is in the log as the system's work.
func TestAuditOfSweeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, vm := w.running(user)
	for _, silence := range []time.Duration{2 * dcm.HeartbeatLostAfter, dcm.StopGrace + time.Minute, 2 * dcm.HeartbeatLostAfter} {
		w.advance(silence)
		w.sweep()
	}
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped {
		t.Fatalf("status %s, error %+v, servers %+v", got.Status, got.Error, w.State().Servers)
	}
	events := user.events()
	it := "vms/" + string(vm.ID)
	expectEntries(t, events,
		entry{dcm.ActorUser, "vms-create", it, "ok"},
		entry{dcm.ActorVM, "vms-bootstrap", it, "ok"},
		entry{dcm.ActorSystem, "sweep-vms", it, "ok"},
		entry{dcm.ActorSystem, "sweep-vms", it, "ok"},
	)
	if len(events) == 4 && (events[1].Detail != "stopping: heartbeat_lost" || !strings.Contains(events[0].Detail, "could not be saved")) {
		t.Errorf("details %q and %q", events[1].Detail, events[0].Detail)
	}
}

// TestAuditOfTasks: a deletion is in the log when it is ordered, and when it is
// done.
func TestAuditOfTasks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	m.backup(0, []byte("x"))
	m.cleanup(1).expect(t, 202)
	before := len(user.events())
	it := "workspaces/" + string(vm.WorkspaceID)
	user.call("POST", "/"+it+"/rotate-key", nil).expect(t, 202)
	w.sweepKeys()
	user.call("DELETE", "/"+it, nil).expect(t, 202)
	w.sweepKeys()
	user.call("GET", "/"+it, nil).expect(t, 404)
	events := user.events()
	events = events[:len(events)-before]
	expectEntries(t, events,
		entry{dcm.ActorUser, "workspaces-rotate-key", it, "ok"},
		entry{dcm.ActorSystem, "sweep-keys", it, "ok"},
		entry{dcm.ActorUser, "workspaces-delete", it, "ok"},
		entry{dcm.ActorSystem, "sweep-keys", it, "ok"},
	)
	if len(events) == 4 && (events[2].Detail != "done: rotate" || events[0].Detail != "done: delete") {
		t.Errorf("details %q and %q", events[2].Detail, events[0].Detail)
	}
}

// TestAuditFailureKeepsTheAnswer: a log that can't be written is told, and the
// change stands.
func TestAuditFailureKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, vm := w.running(user)
	w.fault(map[string]any{"service": "dynamodb", "operation": "UpdateItem", "mode": "error", "after": 1, "count": 20})
	user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	w.clearFaults()
	if got := user.get(vm.ID); got.Status != dcm.StatusStopping {
		t.Errorf("status %s", got.Status)
	}
	if log := w.log(); !bytes.Contains(log, []byte("AuditFailed")) || !bytes.Contains(log, []byte("the audit log misses an entry")) {
		t.Error("nobody is told")
	}
}

// TestAuditIsTheTenantsOwn: another tenant's log can't be read, and the
// platform's owner appears in it without a name.
func TestAuditIsTheTenantsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	for range 3 {
		user.call("DELETE", "/vms/vm-abcdefghjk", nil).expect(t, 404)
	}
	page := decode[api.Page[dcm.Event]](t, user.call("GET", "/tenant/events?limit=2", nil).expect(t, 200))
	if len(page.Items) != 2 || page.NextCursor == nil {
		t.Fatalf("page %+v", page)
	}
	other := w.user("evil")
	if got := other.events(); len(got) != 0 {
		t.Errorf("another tenant reads %+v", got)
	}
	other.call("GET", "/tenant/events?cursor="+url.QueryEscape(*page.NextCursor), nil).expect(t, 400)
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "cursor=": "cursor", "cursor=x": "cursor", "user=u": "user",
	} {
		a := user.call("GET", "/tenant/events?"+query, nil).expect(t, 400)
		if len(a.problem.Errors) != 1 || a.problem.Errors[0].Field != field {
			t.Errorf("%s: %+v", query, a.problem.Errors)
		}
	}
	admin := w.user("platform", dcm.PermissionPlatformAdmin, dcm.PermissionTenantRead)
	admin.call("PUT", "/admin/tenants/acme/quotas", map[string]any{"maxConcurrentVMs": 3}).expect(t, 200)
	other.call("PUT", "/admin/tenants/acme/quotas", map[string]any{"maxConcurrentVMs": 9}).expect(t, 403)
	expectEntries(t, admin.events(), entry{dcm.ActorUser, "admin-quotas-put", "admin/tenants/acme", "ok"})
	events := user.events()
	if e := events[0]; len(events) != 4 || e.Actor != dcm.ActorPlatform || e.User != "" || e.SourceIP != "" || e.Action != "admin-quotas-put" {
		t.Errorf("%d events, the newest %+v", len(events), e)
	}
	w.advance(dcm.EventTTL - time.Hour)
	w.advance(2 * time.Hour)
	// The token's own time is over as well.
	if got := w.user("acme").events(); len(got) != 0 {
		t.Errorf("%d entries outlive their time", len(got))
	}
}
