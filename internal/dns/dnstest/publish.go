package dnstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func testPublish(t *testing.T, newSubject func(*testing.T) Subject) {
	for name, ipv6 := range map[string]string{"one record": "", "two records": "2001:db8:0:0:0::7"} {
		scenario(t, name+", one call", newSubject, func(t *testing.T, s Subject) {
			want := s.records("vm-a", "198.51.100.7", ipv6)
			ids := s.mustPublish(t, want)
			if n := s.calls(); n != 1 {
				t.Errorf("it took %d calls", n)
			}
			found := s.mustFind(t, comment("vm-a"), false)
			if len(found) != len(want) {
				t.Fatalf("found %+v", found)
			}
			for i, r := range want {
				at := slices.IndexFunc(found, func(f dcm.DNSRecord) bool { return f.ID == ids[i] })
				if at < 0 {
					t.Fatalf("id %s is not among %+v", ids[i], found)
				}
				wantIs(t, found[at], r)
			}
		})
	}
	scenario(t, "nothing, no call", newSubject, func(t *testing.T, s Subject) {
		if ids, err := s.DNS.Publish(t.Context(), s.Zone, nil); err != nil || len(ids) != 0 || s.calls() != 0 {
			t.Errorf("%v, %v, %d calls", ids, err, s.calls())
		}
	})
	scenario(t, "a text record comes back as it was", newSubject, func(t *testing.T, s Subject) {
		text := dcm.DNSRecord{
			Name: "_acme-challenge.vm-a.acme.vm." + s.ZoneName, Type: "TXT", TTL: dcm.RecordTTLSeconds,
			Content: "gfj9Xq-Rg85nM_w4AdX2pSHLEbJjS1fAF2DhY9tpUp4", Comment: comment("vm-a"),
		}
		first := s.mustPublish(t, []dcm.DNSRecord{text})
		found := s.mustFind(t, comment("vm-a"), false)
		if len(found) != 1 {
			t.Fatalf("found %+v", found)
		}
		wantIs(t, found[0], text)
		if again := s.mustPublish(t, []dcm.DNSRecord{text}); again[0] != first[0] {
			t.Errorf("published twice: %v, then %v", first, again)
		}
	})
	scenario(t, "a name outside the zone is refused and leaves nothing", newSubject, func(t *testing.T, s Subject) {
		for _, ipv6 := range []string{"", "2001:db8::7"} {
			_, err := s.DNS.Publish(t.Context(), s.Zone, dcm.AddressRecords("vm-a.vm.elsewhere.test", "198.51.100.7", ipv6, comment("vm-a")))
			wantKind(t, err, dcm.KindInvalid)
		}
		if found := s.mustFind(t, comment("vm-a"), false); len(found) != 0 {
			t.Errorf("left behind: %+v", found)
		}
	})
	scenario(t, "what could not be found again is refused", newSubject, func(t *testing.T, s Subject) {
		bare := s.records("vm-a", "198.51.100.7", "")
		bare[0].Comment = ""
		_, err := s.DNS.Publish(t.Context(), s.Zone, bare)
		wantKind(t, err, dcm.KindInvalid)
		if s.calls() != 0 {
			t.Error("it took a call to know")
		}
	})
	scenario(t, "bad records are invalid", newSubject, func(t *testing.T, s Subject) {
		for _, change := range []func(*dcm.DNSRecord){
			func(r *dcm.DNSRecord) { r.Content = "not an address" },
			func(r *dcm.DNSRecord) { r.Type = "BOGUS" },
			func(r *dcm.DNSRecord) { r.TTL = 7 },
			func(r *dcm.DNSRecord) { r.Comment = strings.Repeat("x", 101) },
		} {
			bad := s.records("vm-a", "198.51.100.7", "2001:db8::7")
			change(&bad[1])
			for _, records := range [][]dcm.DNSRecord{bad, bad[1:]} {
				_, err := s.DNS.Publish(t.Context(), s.Zone, records)
				wantKind(t, err, dcm.KindInvalid)
			}
		}
		if found := s.mustFind(t, comment("vm-a"), false); len(found) != 0 {
			t.Errorf("half of it was published: %+v", found)
		}
	})
	scenario(t, "a full zone", newSubject, func(t *testing.T, s Subject) {
		for i := range s.Limit {
			s.mustPublish(t, s.records(fmt.Sprintf("vm-%04d", i), "198.51.100.7", ""))
		}
		_, err := s.DNS.Publish(t.Context(), s.Zone, s.records("vm-more", "198.51.100.7", ""))
		wantKind(t, err, dcm.KindQuota)
	})
}

func testAdoption(t *testing.T, newSubject func(*testing.T) Subject) {
	for name, ipv6 := range map[string]string{"one": "", "two": "2001:db8::7"} {
		scenario(t, "published twice is published once: "+name, newSubject, func(t *testing.T, s Subject) {
			want := s.records("vm-a", "198.51.100.7", ipv6)
			first := s.mustPublish(t, want)
			if again := s.mustPublish(t, want); !slices.Equal(again, first) {
				t.Errorf("ids were %v, now %v", first, again)
			}
			if found := s.mustFind(t, comment("vm-a"), false); len(found) != len(want) {
				t.Errorf("there are %d records", len(found))
			}
		})
		scenario(t, "a lost answer: "+name, newSubject, func(t *testing.T, s Subject) {
			want := s.records("vm-a", "198.51.100.7", ipv6)
			s.mustInject(t, wire.Fault{Mode: wire.ModeLostAnswer, Count: 1})
			_, err := s.DNS.Publish(t.Context(), s.Zone, want)
			wantKind(t, err, dcm.KindUnavailable)
			if n := s.calls(); n != 1 {
				t.Errorf("it took %d calls", n)
			}
			ids := s.mustPublish(t, want)
			found := s.mustFind(t, comment("vm-a"), false)
			if len(found) != len(want) || !slices.ContainsFunc(found, func(r dcm.DNSRecord) bool { return r.ID == ids[0] }) {
				t.Errorf("ids are %v, found %+v", ids, found)
			}
		})
	}
	scenario(t, "what is missing is added to what is there", newSubject, func(t *testing.T, s Subject) {
		both := s.records("vm-a", "198.51.100.7", "2001:db8::7")
		for i := range both {
			first := s.mustPublish(t, both[i:i+1])
			ids := s.mustPublish(t, both)
			if ids[i] != first[0] || ids[0] == ids[1] {
				t.Errorf("%v became %v", first, ids)
			}
			for _, id := range ids {
				s.mustWithdraw(t, id)
			}
		}
	})
	scenario(t, "another's identical record is not ours", newSubject, func(t *testing.T, s Subject) {
		ours := s.Foreign
		ours.ID, ours.Comment = "", comment("vm-a")
		_, err := s.DNS.Publish(t.Context(), s.Zone, []dcm.DNSRecord{ours})
		wantKind(t, err, dcm.KindExists)
		if n := s.calls(); n > 2 {
			t.Errorf("it took %d calls", n)
		}
		s.mustPublish(t, s.records("vm-a", "198.51.100.7", ""))
		_, err = s.DNS.Publish(t.Context(), s.Zone, append(s.records("vm-a", "198.51.100.7", ""), ours))
		wantKind(t, err, dcm.KindExists)
	})
	scenario(t, "the search for it fails", newSubject, func(t *testing.T, s Subject) {
		want := s.records("vm-a", "198.51.100.7", "")
		s.mustPublish(t, want)
		s.mustInject(t, wire.Fault{Operation: s.List, Mode: wire.ModeError, Code: s.Codes[dcm.KindUnavailable][0]})
		_, err := s.DNS.Publish(t.Context(), s.Zone, want)
		wantKind(t, err, dcm.KindUnavailable)
	})
}
