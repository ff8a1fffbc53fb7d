package dnstest

import (
	"context"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// wantClean fails unless the zone holds what it held at first: Foreign.
func (s Subject) wantClean(t *testing.T) {
	t.Helper()
	if left := s.Records(); len(left) != 1 || left[0].Name != s.Foreign.Name {
		t.Errorf("the zone holds %+v", left)
	}
}

func (s Subject) owner() dcm.DNSOwnership {
	return dcm.DNSOwnership{Installation: "here", Tenant: "acme", VM: "vm-abcdefghjk"}
}

func testCheck(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "two calls, and nothing stays", newSubject, func(t *testing.T, s Subject) {
		for _, base := range []string{s.ZoneName, "dev." + s.ZoneName, "a.b.c." + s.ZoneName} {
			before := s.calls()
			if err := s.DNS.Check(t.Context(), s.Zone, base, s.owner()); err != nil {
				t.Errorf("%s: %v", base, err)
			}
			if n := s.calls() - before; n != 2 {
				t.Errorf("%s: it took %d calls", base, n)
			}
			s.wantClean(t)
		}
	})
	scenario(t, "a domain that is not in the zone", newSubject, func(t *testing.T, s Subject) {
		for _, base := range []string{"elsewhere.net", "not" + s.ZoneName, s.ZoneName + ".net", "com"} {
			wantKind(t, s.DNS.Check(t.Context(), s.Zone, base, s.owner()), dcm.KindInvalid)
			s.wantClean(t)
		}
	})
	scenario(t, "what is no domain takes no call", newSubject, func(t *testing.T, s Subject) {
		for _, base := range []string{"", ".", "a b", "-a." + s.ZoneName, s.ZoneName + ".", "*." + s.ZoneName, "ü." + s.ZoneName, "a/b", "a..b", "a_b.c", "https://x"} {
			wantKind(t, s.DNS.Check(t.Context(), s.Zone, base, s.owner()), dcm.KindInvalid)
		}
		if n := s.calls(); n != 0 {
			t.Errorf("it took %d calls", n)
		}
	})
	scenario(t, "credentials that may not write", newSubject, func(t *testing.T, s Subject) {
		for _, z := range []dcm.DNSZone{s.ReadOnly, s.Unknown, s.Other, {ZoneID: s.Zone.ZoneID}} {
			wantKind(t, s.DNS.Check(t.Context(), z, s.ZoneName, s.owner()), dcm.KindAuth)
		}
		wantKind(t, s.DNS.Check(t.Context(), dcm.DNSZone{ZoneID: "../x", Token: s.Zone.Token}, s.ZoneName, s.owner()), dcm.KindInvalid)
		s.wantClean(t)
	})
	scenario(t, "every code has its kind, and nothing stays", newSubject, func(t *testing.T, s Subject) {
		for kind, codes := range s.Codes {
			s.Wire.Clear()
			s.mustInject(t, wire.Fault{Operation: s.Create, Mode: wire.ModeError, Code: codes[0]})
			wantKind(t, s.DNS.Check(t.Context(), s.Zone, s.ZoneName, s.owner()), kind)
			s.wantClean(t)
		}
	})
	scenario(t, "a lost answer to the creation leaves nothing", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Operation: s.Create, Mode: wire.ModeLostAnswer, Count: 1})
		wantKind(t, s.DNS.Check(t.Context(), s.Zone, s.ZoneName, s.owner()), dcm.KindUnavailable)
		s.wantClean(t)
	})
	scenario(t, "a lost answer to the deletion is asked for again", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Operation: s.Delete, Mode: wire.ModeLostAnswer, Count: 1})
		if err := s.DNS.Check(t.Context(), s.Zone, s.ZoneName, s.owner()); err != nil {
			t.Error(err)
		}
		s.wantClean(t)
	})
	scenario(t, "a credential that may create and not delete", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Operation: s.Delete, Mode: wire.ModeError, Code: s.Codes[dcm.KindAuth][0]})
		wantKind(t, s.DNS.Check(t.Context(), s.Zone, s.ZoneName, s.owner()), dcm.KindAuth)
	})
	scenario(t, "given up before it began", newSubject, func(t *testing.T, s Subject) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantKind(t, s.DNS.Check(ctx, s.Zone, s.ZoneName, s.owner()), dcm.KindUnavailable)
		s.wantClean(t)
	})
}
