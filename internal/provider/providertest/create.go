package providertest

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func testCreate(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "answers what was ordered, with one call", newSubject, func(t *testing.T, s Subject) {
		v := s.mustCreate(t, s.request("dcm-vm-a"))
		if n := s.calls(); n != 1 {
			t.Errorf("it took %d calls", n)
		}
		if v.ID == "" || v.Name != "dcm-vm-a" || v.ServerType != s.Offers[0].ServerType || v.Location != s.Offers[0].Location {
			t.Errorf("created %+v", v)
		}
		if v.Status == "" || v.CreatedAt.IsZero() {
			t.Errorf("status %q, created at %v", v.Status, v.CreatedAt)
		}
		if !maps.Equal(v.Labels, labels("one", "dcm-vm-a")) {
			t.Errorf("labels are %v", v.Labels)
		}
		wantPrice(t, v.Price)
		wantAddresses(t, v)
	})
	scenario(t, "the server can be read back, by id and by name", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		for _, ref := range []dcm.ServerRef{made.Ref(), {ID: made.ID}, {Name: made.Name}} {
			got := s.mustGet(t, ref)
			if got == nil {
				t.Fatalf("%+v is not found", ref)
			}
			if got.ID != made.ID || got.Name != made.Name || got.IPv4 != made.IPv4 || got.IPv6 != made.IPv6 ||
				got.ServerType != made.ServerType || got.Location != made.Location || !maps.Equal(got.Labels, made.Labels) ||
				!got.CreatedAt.Equal(made.CreatedAt) {
				t.Errorf("%+v reads\n%+v, made was\n%+v", ref, *got, made)
			}
		}
	})
	scenario(t, "an address that isn't there yet is empty", newSubject, func(t *testing.T, s Subject) {
		if s.Unaddressed == nil {
			t.Skip("this provider always answers addresses")
		}
		s.Unaddressed()
		if v := s.mustCreate(t, s.request("dcm-vm-a")); v.IPv4 != "" || v.IPv6 != "" {
			t.Errorf("addresses are %q and %q", v.IPv4, v.IPv6)
		}
		if v := s.mustGet(t, dcm.ServerRef{Name: "dcm-vm-a"}); v == nil || v.IPv4 != "" || v.IPv6 != "" {
			t.Errorf("read back: %+v", v)
		}
	})
}

func wantPrice(t *testing.T, p *dcm.Price) {
	t.Helper()
	if p == nil {
		return
	}
	if f, err := strconv.ParseFloat(p.Hourly, 64); err != nil || f <= 0 {
		t.Errorf("the hourly price is %q", p.Hourly)
	}
	if strings.Contains(p.Hourly, ".") && strings.HasSuffix(p.Hourly, "0") {
		t.Errorf("the hourly price has idle zeros: %q", p.Hourly)
	}
	if len(p.Currency) != 3 {
		t.Errorf("the currency is %q", p.Currency)
	}
}

// wantAddresses: an address is empty or a host's.
func wantAddresses(t *testing.T, v dcm.Server) {
	t.Helper()
	if v.IPv4 != "" {
		if ip, err := netip.ParseAddr(v.IPv4); err != nil || !ip.Is4() || ip.IsUnspecified() {
			t.Errorf("IPv4 is %q", v.IPv4)
		}
	}
	if v.IPv6 != "" {
		if ip, err := netip.ParseAddr(v.IPv6); err != nil || !ip.Is6() || ip.IsUnspecified() || strings.HasSuffix(v.IPv6, "::") {
			t.Errorf("IPv6 is %q", v.IPv6)
		}
	}
}

func testAdoption(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "a name is taken once", newSubject, func(t *testing.T, s Subject) {
		first := s.mustCreate(t, s.request("dcm-vm-a"))
		again := s.request("dcm-vm-a")
		again.ServerType, again.Location = s.Offers[1].ServerType, s.Offers[1].Location
		_, err := s.Provider.CreateVM(t.Context(), s.Credential, again)
		wantKind(t, err, dcm.KindExists)
		if got := s.mustGet(t, dcm.ServerRef{Name: "dcm-vm-a"}); got == nil || got.ID != first.ID {
			t.Errorf("the name now means %+v", got)
		}
	})
	scenario(t, "a server whose answer was lost is found and known by its labels", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Operation: s.Create, Mode: wire.ModeLostAnswer, Count: 1})
		_, err := s.Provider.CreateVM(t.Context(), s.Credential, s.request("dcm-vm-a"))
		wantKind(t, err, dcm.KindUnavailable)
		if n := s.calls(); n != 1 {
			t.Errorf("it took %d calls", n)
		}
		_, err = s.Provider.CreateVM(t.Context(), s.Credential, s.request("dcm-vm-a"))
		wantKind(t, err, dcm.KindExists)
		got := s.mustGet(t, dcm.ServerRef{Name: "dcm-vm-a"})
		if got == nil || got.ID == "" || !maps.Equal(got.Labels, labels("one", "dcm-vm-a")) {
			t.Fatalf("found %+v", got)
		}
		wantPrice(t, got.Price)
		if list := s.mustList(t, labels("one", "dcm-vm-a")); len(list) != 1 {
			t.Errorf("there are %d servers", len(list))
		}
	})
}

func testCapacity(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "sold out: another offer may do, and nothing is left behind", newSubject, func(t *testing.T, s Subject) {
		s.SoldOut(s.Offers[0])
		_, err := s.Provider.CreateVM(t.Context(), s.Credential, s.request("dcm-vm-a"))
		e := wantKind(t, err, dcm.KindCapacity)
		if !strings.Contains(e.Message, s.Offers[0].ServerType) || !strings.Contains(e.Message, s.Offers[0].Location) {
			t.Errorf("the message does not name the offer: %s", e.Message)
		}
		if got := s.mustGet(t, dcm.ServerRef{Name: "dcm-vm-a"}); got != nil {
			t.Errorf("left behind: %+v", got)
		}
		second := s.request("dcm-vm-a")
		second.ServerType, second.Location = s.Offers[1].ServerType, s.Offers[1].Location
		s.mustCreate(t, second)
	})
	scenario(t, "what is not sold is like what is sold out", newSubject, func(t *testing.T, s Subject) {
		for _, o := range s.NoOffers {
			r := s.request("dcm-vm-a")
			r.ServerType, r.Location = o.ServerType, o.Location
			_, err := s.Provider.CreateVM(t.Context(), s.Credential, r)
			wantKind(t, err, dcm.KindCapacity)
		}
	})
}

func testInvalid(t *testing.T, newSubject func(*testing.T) Subject) {
	spoil := map[string]func(*dcm.ServerRequest){
		"no name":               func(r *dcm.ServerRequest) { r.Name = "" },
		"a name that isn't one": func(r *dcm.ServerRequest) { r.Name = "not a host name" },
		"no type":               func(r *dcm.ServerRequest) { r.ServerType = "" },
		"no location":           func(r *dcm.ServerRequest) { r.Location = "" },
		"no image":              func(r *dcm.ServerRequest) { r.Image = "" },
		"an unknown image":      func(r *dcm.ServerRequest) { r.Image = "windows-3.11" },
		"a bad label value":     func(r *dcm.ServerRequest) { r.Labels["tenant-id"] = "a,b==c" },
		"a bad label key":       func(r *dcm.ServerRequest) { r.Labels["-x"] = "y" },
		"too much user-data": func(r *dcm.ServerRequest) {
			r.UserData = dcm.NewSecret(secretUserData + strings.Repeat("x", 32*1024))
		},
	}
	for name, change := range spoil {
		scenario(t, name, newSubject, func(t *testing.T, s Subject) {
			r := s.request("dcm-vm-a")
			change(&r)
			_, err := s.Provider.CreateVM(t.Context(), s.Credential, r)
			want := dcm.KindInvalid
			if name == "an unknown image" {
				want = dcm.KindImage
			}
			wantKind(t, err, want)
			if list := s.mustList(t, nil); len(list) != 0 {
				t.Errorf("it made %+v", list)
			}
		})
	}
}
