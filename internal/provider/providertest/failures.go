package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func testErrors(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "every code has its kind, and is not tried again", newSubject, func(t *testing.T, s Subject) {
		ref := s.mustCreate(t, s.request("dcm-vm-a")).Ref()
		for kind, codes := range s.Codes {
			for _, code := range codes {
				for operation, call := range s.operations(s.Credential, ref) {
					if !applies(s, kind, operation) {
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
	scenario(t, "a rate limit says how long to wait", newSubject, func(t *testing.T, s Subject) {
		ref := s.mustCreate(t, s.request("dcm-vm-a")).Ref()
		s.mustInject(t, wire.Fault{Mode: wire.ModeError, Code: s.Codes[dcm.KindRateLimited][0]})
		for name, call := range s.operations(s.Credential, ref) {
			e := wantKind(t, call(t.Context()), dcm.KindRateLimited)
			if e.RetryAfter < time.Second || e.RetryAfter > time.Hour {
				t.Errorf("%s: retry after %v", name, e.RetryAfter)
			}
		}
	})
	scenario(t, "a call that is given up is unavailable", newSubject, func(t *testing.T, s Subject) {
		ref := s.mustCreate(t, s.request("dcm-vm-a")).Ref()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, call := range s.operations(s.Credential, ref) {
			wantKind(t, call(ctx), dcm.KindUnavailable)
		}
	})
}

// applies says which codes an operation can meet. Not found, asked of one
// server, is an answer and no error.
func applies(s Subject, kind dcm.ProviderKind, operation string) bool {
	switch kind {
	case dcm.KindAuth, dcm.KindRateLimited, dcm.KindUnavailable:
		return true
	default:
		return operation == s.Create
	}
}

func testCredentials(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "an unknown one is refused", newSubject, func(t *testing.T, s Subject) {
		ref := s.mustCreate(t, s.request("dcm-vm-a")).Ref()
		for _, call := range s.operations(s.Unknown, ref) {
			err := call(t.Context())
			wantKind(t, err, dcm.KindAuth)
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), s.Unknown.Token.Reveal()) {
				t.Errorf("the error holds the token: %v", err)
			}
		}
	})
	scenario(t, "none is refused without a call", newSubject, func(t *testing.T, s Subject) {
		for _, call := range s.operations(dcm.Credential{}, dcm.ServerRef{ID: "1"}) {
			wantKind(t, call(t.Context()), dcm.KindAuth)
		}
		if n := s.calls(); n != 0 {
			t.Errorf("it took %d calls", n)
		}
	})
	scenario(t, "one that no header can carry is refused", newSubject, func(t *testing.T, s Subject) {
		broken := dcm.Credential{Token: dcm.NewSecret("hunter2\r\nX-Evil: 1"), ProjectID: s.Credential.ProjectID}
		for _, call := range s.operations(broken, dcm.ServerRef{ID: "1"}) {
			wantKind(t, call(t.Context()), dcm.KindAuth)
		}
	})
	scenario(t, "a read-only one reads", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		operations := s.operations(s.ReadOnly, made.Ref())
		for _, name := range []string{s.Get, s.List} {
			if err := operations[name](t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantKind(t, operations[s.Create](t.Context()), dcm.KindAuth)
		wantKind(t, operations[s.Delete](t.Context()), dcm.KindAuth)
		if s.mustGet(t, made.Ref()) == nil {
			t.Error("it deleted the server")
		}
	})
}

func testCheck(t *testing.T, newSubject func(*testing.T) Subject) {
	check := func(t *testing.T, s Subject, c dcm.Credential) dcm.CredentialReport {
		t.Helper()
		report, err := s.Provider.Check(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	scenario(t, "tells who may write", newSubject, func(t *testing.T, s Subject) {
		if !check(t, s, s.Credential).CanWrite {
			t.Error("the full credential may not write")
		}
		if n := s.calls(); n > s.CheckCalls {
			t.Errorf("it took %d calls", n)
		}
		if check(t, s, s.ReadOnly).CanWrite {
			t.Error("the read-only credential may write")
		}
	})
	scenario(t, "changes nothing", newSubject, func(t *testing.T, s Subject) {
		s.mustCreate(t, s.request("dcm-vm-a"))
		check(t, s, s.Credential)
		s.Settle()
		if got := names(s.mustList(t, nil)); !slices.Equal(got, []string{"dcm-vm-a"}) {
			t.Errorf("there are now %v", got)
		}
	})
	scenario(t, "an unknown credential is KindAuth", newSubject, func(t *testing.T, s Subject) {
		_, err := s.Provider.Check(t.Context(), s.Unknown)
		wantKind(t, err, dcm.KindAuth)
	})
	scenario(t, "an outage is no verdict", newSubject, func(t *testing.T, s Subject) {
		for good := range s.CheckCalls {
			s.Wire.Clear()
			s.mustInject(t, wire.Fault{Mode: wire.ModeError, Code: s.Codes[dcm.KindUnavailable][0], After: good})
			_, err := s.Provider.Check(t.Context(), s.Credential)
			wantKind(t, err, dcm.KindUnavailable)
		}
	})
}

func testSizes(t *testing.T, newSubject func(*testing.T) Subject) {
	find := func(t *testing.T, s Subject, o dcm.Offer) dcm.SizeOption {
		t.Helper()
		all, err := s.Provider.SizeOptions(t.Context(), s.ReadOnly)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(z dcm.SizeOption) bool { return z.ServerType == o.ServerType && z.Location == o.Location })
		if i < 0 {
			t.Fatalf("%s is not among the %d options", o, len(all))
		}
		return all[i]
	}
	scenario(t, "what can be bought is listed, with the price it then has", newSubject, func(t *testing.T, s Subject) {
		z := find(t, s, s.Offers[0])
		wantPrice(t, &z.Price)
		if z.Cores < 1 || z.MemoryGB <= 0 || z.DiskGB < 1 || !z.Available || !slices.Contains([]string{"amd64", "arm64"}, z.Architecture) {
			t.Errorf("%+v", z)
		}
		if v := s.mustCreate(t, s.request("dcm-vm-a")); v.Price == nil || *v.Price != z.Price {
			t.Errorf("listed at %+v, sold at %+v", z.Price, v.Price)
		}
	})
	scenario(t, "what is sold out is not available", newSubject, func(t *testing.T, s Subject) {
		s.SoldOut(s.Offers[0])
		if z := find(t, s, s.Offers[0]); z.Available {
			t.Errorf("%+v", z)
		}
		if z := find(t, s, s.Offers[1]); !z.Available {
			t.Errorf("%+v", z)
		}
	})
	scenario(t, "a failure is no empty list", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Mode: wire.ModeError, Code: s.Codes[dcm.KindUnavailable][0]})
		all, err := s.Provider.SizeOptions(t.Context(), s.Credential)
		wantKind(t, err, dcm.KindUnavailable)
		if all != nil {
			t.Errorf("a list of %d came with it", len(all))
		}
	})
}
