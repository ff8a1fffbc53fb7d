package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func (s *subject) dueReconciles(t *testing.T, until time.Time) map[dcm.TenantID]time.Time {
	t.Helper()
	all := map[dcm.TenantID]time.Time{}
	for shard := range dcm.DueShards {
		found, err := s.DueReconciles(t.Context(), shard, until, 100)
		must(t, err)
		for _, d := range found {
			all[d.Tenant] = d.DueAt
		}
	}
	return all
}

// reconcile: whoever gets an account of its own is due within the hour, at its own
// second of it, and leaves the index only at the time that it was seen at.
func reconcile(t *testing.T, s *subject) {
	ctx, now, never := t.Context(), s.clock.Now(), s.clock.Now().Add(1000*time.Hour)
	add := map[dcm.TenantID]func(dcm.TenantStore) error{
		"one": func(t dcm.TenantStore) error {
			return t.PutProviderAccount(ctx, providerAccount("ac-1", "hetzner", now), "")
		},
		"two": func(t dcm.TenantStore) error {
			_, err := t.SetDNSAccount(ctx, dnsAccount("ac-2", now), now)
			return err
		},
		"three": func(t dcm.TenantStore) error {
			_, err := t.SetStorageAccount(ctx, storageAccount("ac-3", now), now)
			return err
		},
	}
	want := map[dcm.TenantID]time.Time{}
	for tenant, account := range add {
		must(t, account(s.Tenant(tenant)))
		want[tenant] = dcm.ReconcileAfter(tenant, now)
		if in := want[tenant].Sub(now); in <= 0 || in > dcm.ReconcileInterval {
			t.Errorf("%s is due in %v", tenant, in)
		}
	}
	// Nobody is due for the platform's accounts, or for giving one up.
	_, err := s.acme().SetDNSAccount(ctx, nil, now)
	must(t, err)
	_, err = s.acme().SetStorageAccount(ctx, nil, now)
	must(t, err)
	wantEqual(t, s.dueReconciles(t, never), want)
	wantEqual(t, s.dueReconciles(t, now), map[dcm.TenantID]time.Time{})

	// Setting an account again and again does not put the look at it off.
	s.clock.Advance(time.Second)
	must(t, add["two"](s.Tenant("two")))
	wantEqual(t, s.dueReconciles(t, never), want)

	at := want["one"]
	wantIs(t, s.Tenant("one").SettleReconcile(ctx, at.Add(time.Second), time.Time{}), dcm.ErrLostRace)
	wantIs(t, s.acme().SettleReconcile(ctx, at, at.Add(time.Hour)), dcm.ErrLostRace)
	want["one"] = at.Add(time.Hour)
	must(t, s.Tenant("one").SettleReconcile(ctx, at, want["one"]))
	wantEqual(t, s.dueReconciles(t, never), want)
	must(t, s.Tenant("one").SettleReconcile(ctx, want["one"], time.Time{}))
	delete(want, "one")
	wantEqual(t, s.dueReconciles(t, never), want)

	// A sweep that saw the tenant before its new account loses the race.
	s.clock.Advance(want["two"].Sub(s.clock.Now()))
	must(t, add["two"](s.Tenant("two")))
	wantIs(t, s.Tenant("two").SettleReconcile(ctx, want["two"], time.Time{}), dcm.ErrLostRace)
}

// liveVMs: every VM that is not stopped, over all pages, whenever it is due.
func liveVMs(t *testing.T, s *subject) {
	s.setQuotas(t, dcm.Quotas{MaxConcurrentVMs: 100})
	want := map[dcm.VMID]bool{}
	for range 6 {
		want[s.launch(t, acme).ID] = true
	}
	ended := s.launch(t, acme)
	s.end(t, ended)
	stopping := s.stop(t, s.launch(t, acme))
	want[stopping.ID] = true
	got := map[dcm.VMID]bool{}
	for shard := range dcm.DueShards {
		vms, err := s.LiveVMs(t.Context(), shard)
		must(t, err)
		for _, d := range vms {
			got[d.VM] = true
		}
	}
	wantEqual(t, got, want)
}

func orphan(s *subject, kind dcm.OrphanKind, id string, age time.Duration) dcm.Orphan {
	now := s.clock.Now()
	return dcm.Orphan{
		Kind: kind, Tenant: acme, Service: "hetzner", AccountID: "ac-1", ExternalID: id, Name: "dcm-vm-aaaaaaaaaa",
		VM: "vm-aaaaaaaaaa", Workspace: "ws-aaaaaaaaaa", Why: "“why”", CreatedAt: now.Add(-age), EndedAt: now.Add(-age / 2), FoundAt: now,
	}
}

func (s *subject) dueOrphans(t *testing.T) (all []dcm.DueOrphan) {
	t.Helper()
	for shard := range dcm.DueShards {
		found, err := s.DueOrphans(t.Context(), shard, s.clock.Now().Add(1000*time.Hour), 100)
		must(t, err)
		all = append(all, found...)
	}
	return all
}

// orphans: what is noted is due until it is settled, which happens once.
func orphans(t *testing.T, s *subject) {
	ctx, store := t.Context(), s.acme()
	first, second := orphan(s, dcm.OrphanServer, "1", time.Hour), orphan(s, dcm.OrphanUpload, "1", time.Hour)
	second.ExternalID = fmt.Sprintf("%0600d/#~ü", 1)
	must(t, store.NoteOrphan(ctx, first))
	again := first
	again.Why, again.FoundAt = "another", first.FoundAt.Add(time.Hour)
	must(t, store.NoteOrphan(ctx, again))
	due := s.dueOrphans(t)
	if len(due) != 1 || due[0].Tenant != acme {
		t.Fatalf("due are %v", due)
	}
	got, err := store.Orphan(ctx, due[0].Ref)
	must(t, err)
	wantEqual(t, got, first)
	_, err = s.Tenant(other).Orphan(ctx, due[0].Ref)
	wantCode(t, err, dcm.CodeNotFound)

	later := due[0].DueAt.Add(time.Hour)
	must(t, store.PutOffOrphan(ctx, due[0].Ref, later))
	if due = s.dueOrphans(t); len(due) != 1 || !due[0].DueAt.Equal(later) {
		t.Errorf("due are %v", due)
	}
	gone := s.clock.Now().Add(time.Minute)
	first.ConfirmedAt, first.Minutes = &gone, 31
	wantCode(t, s.Tenant(other).SettleOrphan(ctx, first), dcm.CodeNotFound)
	must(t, store.SettleOrphan(ctx, first))
	much := first
	much.Minutes = 1000
	wantIs(t, store.SettleOrphan(ctx, much), dcm.ErrLostRace)
	wantIs(t, store.PutOffOrphan(ctx, due[0].Ref, later), dcm.ErrLostRace)
	must(t, store.NoteOrphan(ctx, again))
	wantEqual(t, len(s.dueOrphans(t)), 0)

	must(t, store.NoteOrphan(ctx, second))
	oldest := orphan(s, dcm.OrphanDNSRecord, "1", 2*time.Hour)
	must(t, store.NoteOrphan(ctx, oldest))
	var all []dcm.Orphan
	for cursor := ""; ; {
		page, err := store.Orphans(ctx, dcm.OrphanQuery{Limit: 1, Cursor: cursor})
		must(t, err)
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		_, err = s.Tenant(other).Orphans(ctx, dcm.OrphanQuery{Cursor: cursor})
		wantCode(t, err, dcm.CodeInvalid)
	}
	if len(all) != 3 || all[2].Kind != dcm.OrphanDNSRecord {
		t.Fatalf("%+v", all)
	}
	for _, o := range all {
		if o.Kind == dcm.OrphanServer {
			wantEqual(t, o, first)
		}
		if o.Kind == dcm.OrphanUpload {
			wantEqual(t, o, second)
		}
	}
	page, err := s.Tenant(other).Orphans(ctx, dcm.OrphanQuery{})
	must(t, err)
	wantEqual(t, page, dcm.OrphanPage{Items: []dcm.Orphan{}})
}
