package dnstest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func testWithdraw(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "one call; what is gone already is success", newSubject, func(t *testing.T, s Subject) {
		ids := s.mustPublish(t, s.records("vm-a", "198.51.100.7", "2001:db8::7"))
		before := s.calls()
		s.mustWithdraw(t, ids[0])
		if n := s.calls() - before; n != 1 {
			t.Errorf("it took %d calls", n)
		}
		s.mustWithdraw(t, ids[0])
		if found := s.mustFind(t, comment("vm-a"), false); len(found) != 1 || found[0].ID != ids[1] {
			t.Errorf("left are %+v", found)
		}
	})
	scenario(t, "several, one call", newSubject, func(t *testing.T, s Subject) {
		ids := append(s.mustPublish(t, s.records("vm-a", "198.51.100.7", "2001:db8::7")), s.mustPublish(t, s.records("vm-b", "198.51.100.8", ""))...)
		before := s.calls()
		s.mustWithdraw(t, append(ids, ids[0])...)
		if n := s.calls() - before; n != 1 {
			t.Errorf("it took %d calls", n)
		}
		s.mustWithdraw(t)
		s.wantClean(t)
		if n := s.calls() - before; n != 1 {
			t.Errorf("withdrawing nothing took %d calls", n-1)
		}
	})
	scenario(t, "several of which some are gone", newSubject, func(t *testing.T, s Subject) {
		ids := append(s.mustPublish(t, s.records("vm-a", "198.51.100.7", "2001:db8::7")), s.mustPublish(t, s.records("vm-b", "198.51.100.8", ""))...)
		s.mustWithdraw(t, ids[1])
		s.mustWithdraw(t, ids...)
		s.wantClean(t)
		s.mustWithdraw(t, ids...)
	})
	scenario(t, "several whose withdrawal fails are all there", newSubject, func(t *testing.T, s Subject) {
		for _, kind := range []dcm.ProviderKind{dcm.KindUnavailable, dcm.KindRateLimited, dcm.KindAuth} {
			ids := s.mustPublish(t, s.records("vm-a", "198.51.100.7", "2001:db8::7"))
			s.Wire.Clear()
			s.mustInject(t, wire.Fault{Operation: s.Batch, Mode: wire.ModeError, Code: s.Codes[kind][0], Count: 1})
			before := s.calls()
			wantKind(t, s.DNS.Withdraw(t.Context(), s.Zone, ids...), kind)
			if n := s.calls() - before; n != 1 {
				t.Errorf("%s: it took %d calls", kind, n)
			}
			if found := s.mustFind(t, comment("vm-a"), false); len(found) != 2 {
				t.Errorf("%s: left are %+v", kind, found)
			}
		}
	})
	scenario(t, "several, and the answer is lost", newSubject, func(t *testing.T, s Subject) {
		ids := s.mustPublish(t, s.records("vm-a", "198.51.100.7", "2001:db8::7"))
		s.mustInject(t, wire.Fault{Operation: s.Batch, Mode: wire.ModeLostAnswer, Count: 1})
		wantKind(t, s.DNS.Withdraw(t.Context(), s.Zone, ids...), dcm.KindUnavailable)
		s.mustWithdraw(t, ids...)
		s.wantClean(t)
	})
	scenario(t, "a lost answer is no success, and withdrawing again is", newSubject, func(t *testing.T, s Subject) {
		ids := s.mustPublish(t, s.records("vm-a", "198.51.100.7", ""))
		s.mustInject(t, wire.Fault{Operation: s.Delete, Mode: wire.ModeLostAnswer, Count: 1})
		wantKind(t, s.DNS.Withdraw(t.Context(), s.Zone, ids[0]), dcm.KindUnavailable)
		s.mustWithdraw(t, ids[0])
	})
	scenario(t, "an id that isn't one", newSubject, func(t *testing.T, s Subject) {
		for _, id := range []string{"", "../../zones", "a b", "?x"} {
			wantKind(t, s.DNS.Withdraw(t.Context(), s.Zone, id), dcm.KindInvalid)
			wantKind(t, s.DNS.Withdraw(t.Context(), s.Zone, "abc", id), dcm.KindInvalid)
		}
		if s.calls() != 0 {
			t.Error("it took a call to know")
		}
	})
}

func testFind(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "exactly, or by prefix, in the very letters", newSubject, func(t *testing.T, s Subject) {
		publish := func(vm, comment string) {
			r := s.records(vm, "198.51.100.7", "")
			r[0].Comment = comment
			s.mustPublish(t, r)
		}
		publish("vm-a", "dcm/one/acme/vm-a")
		publish("vm-b", "dcm/one/acme/vm-a2")
		publish("vm-c", "dcm/ONE/acme/vm-a")
		publish("vm-d", "dcm/one-two/acme/vm-a")
		publish("vm-e", "see dcm/one/acme/vm-a")
		for _, c := range []struct {
			comment string
			prefix  bool
			want    int
		}{
			{"dcm/one/acme/vm-a", false, 1}, {"dcm/one/", true, 2}, {"dcm/one", true, 3}, {"dcm/two/", true, 0}, {"acme", false, 0},
		} {
			if found := s.mustFind(t, c.comment, c.prefix); len(found) != c.want {
				t.Errorf("%q (prefix %v) finds %d: %+v", c.comment, c.prefix, len(found), found)
			}
		}
	})
	scenario(t, "no comment is no question", newSubject, func(t *testing.T, s Subject) {
		for _, prefix := range []bool{false, true} {
			_, err := s.DNS.Find(t.Context(), s.Zone, "", prefix)
			wantKind(t, err, dcm.KindInvalid)
		}
	})
	fill := func(t *testing.T, s Subject) int {
		t.Helper()
		n := 2*s.PageSize + 1
		for i := range n {
			s.mustPublish(t, s.records(fmt.Sprintf("vm-%04d", i), "198.51.100.7", ""))
		}
		return n
	}
	scenario(t, "to the last page", newSubject, func(t *testing.T, s Subject) {
		want := fill(t, s)
		before := s.calls()
		var names []string
		for _, r := range s.mustFind(t, dcm.DNSCommentPrefix("one"), true) {
			names = append(names, r.Name)
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != want {
			t.Errorf("found %d of %d", len(names), want)
		}
		if n := s.calls() - before; n != 3 {
			t.Errorf("three pages took %d calls", n)
		}
	})
	scenario(t, "a page that fails fails the list", newSubject, func(t *testing.T, s Subject) {
		fill(t, s)
		for good := range 3 {
			s.Wire.Clear()
			s.mustInject(t, wire.Fault{Operation: s.List, Mode: wire.ModeError, Code: s.Codes[dcm.KindUnavailable][0], After: good})
			found, err := s.DNS.Find(t.Context(), s.Zone, dcm.DNSCommentPrefix("one"), true)
			wantKind(t, err, dcm.KindUnavailable)
			if found != nil {
				t.Errorf("after %d pages: %d records came with the error", good, len(found))
			}
		}
	})
}

func testErrors(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "every code has its kind, and is not tried again", newSubject, func(t *testing.T, s Subject) {
		id := s.mustPublish(t, s.records("vm-a", "198.51.100.7", ""))[0]
		for kind, codes := range s.Codes {
			for _, code := range codes {
				for operation, call := range s.operations(s.Zone, id) {
					// An existing record is looked for, which is another call.
					if kind == dcm.KindExists {
						continue
					}
					t.Run(fmt.Sprint(kind, " ", code, " ", operation), func(t *testing.T) {
						s.Wire.Clear()
						s.mustInject(t, wire.Fault{Operation: operation, Mode: wire.ModeError, Code: code})
						before := s.calls()
						wantKind(t, call(t.Context()), kind)
						if n := s.calls() - before; n != 1 {
							t.Errorf("it took %d calls", n)
						}
					})
				}
			}
		}
	})
	scenario(t, "a record said to exist that isn't ours", newSubject, func(t *testing.T, s Subject) {
		for _, code := range s.Codes[dcm.KindExists] {
			for _, operation := range []string{s.Create, s.Batch} {
				s.Wire.Clear()
				s.mustInject(t, wire.Fault{Operation: operation, Mode: wire.ModeError, Code: code})
				wantKind(t, s.operations(s.Zone, "")[operation](t.Context()), dcm.KindExists)
			}
		}
	})
	scenario(t, "a rate limit says how long to wait", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Mode: wire.ModeError, Code: s.Codes[dcm.KindRateLimited][0]})
		for name, call := range s.operations(s.Zone, "abc") {
			e := wantKind(t, call(t.Context()), dcm.KindRateLimited)
			if e.RetryAfter < time.Second || e.RetryAfter > time.Hour {
				t.Errorf("%s: retry after %v", name, e.RetryAfter)
			}
		}
	})
	scenario(t, "a call that is given up is unavailable", newSubject, func(t *testing.T, s Subject) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, call := range s.operations(s.Zone, "abc") {
			wantKind(t, call(ctx), dcm.KindUnavailable)
		}
	})
}

func testCredentials(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "an unknown one, or one for another zone, is refused", newSubject, func(t *testing.T, s Subject) {
		for _, z := range []dcm.DNSZone{s.Unknown, s.Other} {
			for _, call := range s.operations(z, "abc") {
				wantKind(t, call(t.Context()), dcm.KindAuth)
			}
		}
	})
	scenario(t, "a read-only one reads", newSubject, func(t *testing.T, s Subject) {
		id := s.mustPublish(t, s.records("vm-a", "198.51.100.7", ""))[0]
		operations := s.operations(s.ReadOnly, id)
		for _, name := range []string{s.Create, s.Batch, s.Delete} {
			wantKind(t, operations[name](t.Context()), dcm.KindAuth)
		}
		if err := operations[s.List](t.Context()); err != nil {
			t.Error(err)
		}
	})
	scenario(t, "without a token, or a zone, there is no call", newSubject, func(t *testing.T, s Subject) {
		for _, call := range s.operations(dcm.DNSZone{ZoneID: s.Zone.ZoneID}, "abc") {
			wantKind(t, call(t.Context()), dcm.KindAuth)
		}
		broken := dcm.DNSZone{ZoneID: s.Zone.ZoneID, Token: dcm.NewSecret("hunter2\r\nX-Evil: 1")}
		for _, call := range s.operations(broken, "abc") {
			wantKind(t, call(t.Context()), dcm.KindAuth)
		}
		for _, id := range []string{"", "../user", "a/b"} {
			for _, call := range s.operations(dcm.DNSZone{ZoneID: id, Token: s.Zone.Token}, "abc") {
				wantKind(t, call(t.Context()), dcm.KindInvalid)
			}
		}
		if n := s.calls(); n != 0 {
			t.Errorf("it took %d calls", n)
		}
	})
}
