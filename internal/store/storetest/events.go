package storetest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func event(t *testing.T, at time.Time) dcm.Event {
	t.Helper()
	id, err := dcm.NewEventID(rand.Reader)
	must(t, err)
	return dcm.Event{
		ID: id, At: at, User: "user|1", Actor: dcm.ActorUser, SourceIP: "203.0.113.9", Action: "vms-delete",
		Resource: "vms/vm-aaaaaaaaaa", Result: dcm.ResultOK, RequestID: "r", Detail: "“ü”",
	}
}

// allEvents reads the log to its end.
func (s *subject) allEvents(t *testing.T, tenant dcm.TenantID, limit int) (all []dcm.Event) {
	t.Helper()
	q := dcm.EventQuery{Limit: limit}
	for range 100 {
		page, err := s.Tenant(tenant).Events(t.Context(), q)
		must(t, err)
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all
		}
		q.Cursor = page.NextCursor
	}
	t.Fatal("the log has no end")
	return nil
}

func events(t *testing.T, s *subject) {
	page, err := s.acme().Events(t.Context(), dcm.EventQuery{})
	must(t, err)
	wantEqual(t, page, dcm.EventPage{Items: []dcm.Event{}})

	// Newest first, to the nanosecond, in whatever order they arrive.
	now := s.clock.Now()
	var want []dcm.Event
	for _, ago := range []time.Duration{0, 1, 999, time.Second, time.Hour, 89 * 24 * time.Hour} {
		want = append(want, event(t, now.Add(-ago)))
	}
	for n := range want {
		must(t, s.acme().AddEvent(t.Context(), want[(n*5+2)%len(want)]))
	}
	must(t, s.acme().AddEvent(t.Context(), want[0])) // again
	must(t, s.Tenant(other).AddEvent(t.Context(), event(t, now)))
	for _, limit := range []int{0, 1, 2, 6, 7, 100} {
		wantEqual(t, s.allEvents(t, acme, limit), want)
	}
	wantEqual(t, len(s.allEvents(t, other, 1)), 1)

	// What comes meanwhile moves no page, and what has expired is not shown.
	first, err := s.acme().Events(t.Context(), dcm.EventQuery{Limit: 2})
	must(t, err)
	late := event(t, now.Add(time.Minute))
	must(t, s.acme().AddEvent(t.Context(), late))
	rest, err := s.acme().Events(t.Context(), dcm.EventQuery{Cursor: first.NextCursor})
	must(t, err)
	wantEqual(t, append(first.Items, rest.Items...), want)
	s.clock.Advance(24*time.Hour + time.Nanosecond)
	wantEqual(t, s.allEvents(t, acme, 2), append([]dcm.Event{late}, want[:5]...))
	// A cursor outlives what it stood at.
	page, err = s.acme().Events(t.Context(), dcm.EventQuery{Limit: 5})
	must(t, err)
	s.clock.Advance(dcm.EventTTL)
	gone, err := s.acme().Events(t.Context(), dcm.EventQuery{Cursor: page.NextCursor})
	must(t, err)
	wantEqual(t, gone, dcm.EventPage{Items: []dcm.Event{}})

	bad := event(t, now)
	for _, spoil := range []func(*dcm.Event){
		func(e *dcm.Event) { e.ID = "" }, func(e *dcm.Event) { e.ID = "ev-#########" }, func(e *dcm.Event) { e.At = time.Time{} },
	} {
		e := bad
		spoil(&e)
		if err := s.acme().AddEvent(t.Context(), e); err == nil {
			t.Fatalf("added %+v", e)
		}
	}
}

// eventOfMove: a launch and an end are in the log if they happened, and only
// then.
func eventOfMove(t *testing.T, s *subject) {
	i := s.intent(t, acme)
	i.Event = event(t, s.clock.Now())
	must(t, s.acme().CreateVM(t.Context(), i))
	want := []dcm.Event{i.Event}
	wantEqual(t, s.allEvents(t, acme, 0), want)

	refused := s.intent(t, acme)
	refused.Event = event(t, s.clock.Now())
	refused.NewWorkspace, refused.Workspace.ID, refused.VM.WorkspaceID = false, i.VM.WorkspaceID, i.VM.WorkspaceID
	wantCode(t, s.acme().CreateVM(t.Context(), refused), dcm.CodeConflict)
	wantEqual(t, s.allEvents(t, acme, 0), want)

	s.clock.Advance(time.Second)
	f := s.finishOf(i.VM)
	f.Event = ptr(event(t, s.clock.Now()))
	wantIs(t, s.acme().FinishVM(t.Context(), f), dcm.ErrLostRace)
	wantEqual(t, s.allEvents(t, acme, 0), want)
	s.stop(t, i.VM)
	must(t, s.acme().FinishVM(t.Context(), f))
	wantEqual(t, s.allEvents(t, acme, 0), append([]dcm.Event{*f.Event}, want...))
}
