// Package providertest is the suite that every dcm.Provider passes, against
// its provider's stand-in. It holds what the lifecycle relies on: names that
// are unique, labels that come back, kinds of errors, lists that are whole or
// not at all, and not one call more than promised.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// Subject is a provider with its stand-in. Every test gets a fresh one.
type Subject struct {
	Provider dcm.Provider

	// Credential may do everything, ReadOnly may only read, Another belongs to
	// another project, and Unknown is one that the provider never issued.
	Credential, ReadOnly, Another, Unknown dcm.Credential

	// Offers are two that can be had, with Image.
	Offers []dcm.Offer
	Image  string
	// NoOffers can't be had: not sold there, no longer sold, never heard of.
	NoOffers []dcm.Offer
	// SoldOut makes an offer sold out.
	SoldOut func(dcm.Offer)
	// Unaddressed gives the servers made from now on no address yet.
	Unaddressed func()
	// AddSSHKey gives Credential's project a key and returns its id.
	AddSSHKey func(name string) string
	// SwitchOff switches one of Credential's servers off.
	SwitchOff func(id string)
	// Settle lets the time pass that a deletion takes.
	Settle func()

	// PageSize is the most servers the provider gives in one answer.
	PageSize int
	// CheckCalls is how many calls Check makes at most.
	CheckCalls int

	// Wire is in front of the stand-in, which it calls Service.
	Wire    *wire.Wire
	Service string
	// Create, Get, List and Delete name the operations.
	Create, Get, List, Delete string
	// Codes are the provider's own error codes by what they mean to us.
	Codes map[dcm.ProviderKind][]string
}

// Run runs the suite.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	groups := []struct {
		name string
		test func(*testing.T, func(*testing.T) Subject)
	}{
		{"create", testCreate}, {"adoption", testAdoption}, {"capacity", testCapacity}, {"invalid requests", testInvalid},
		{"get", testGet}, {"start", testStart}, {"delete", testDelete}, {"list", testList}, {"pages", testPages},
		{"errors", testErrors}, {"limits", testLimits}, {"credentials", testCredentials}, {"check", testCheck}, {"SSH keys", testSSHKeys}, {"sizes", testSizes},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			g.test(t, newSubject)
		})
	}
}

// scenario runs one parallel subtest on a fresh subject.
func scenario(t *testing.T, name string, newSubject func(*testing.T) Subject, test func(*testing.T, Subject)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t, newSubject(t))
	})
}

const secretUserData = "#cloud-config\n{\"secret\": \"hunter2-hunter2\"}"

// request asks for a server of the first offer, labelled as the lifecycle
// labels them.
func (s Subject) request(name string) dcm.ServerRequest {
	return dcm.ServerRequest{
		Name: name, ServerType: s.Offers[0].ServerType, Location: s.Offers[0].Location, Image: s.Image,
		UserData: dcm.NewSecret(secretUserData), Labels: labels("one", name),
	}
}

func labels(installation, vm string) map[string]string {
	return map[string]string{
		dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: installation, dcm.LabelTenant: "acme",
		dcm.LabelWorkspace: "ws-abcdefghij", dcm.LabelVM: vm, dcm.LabelExpiresAt: "1795500000",
	}
}

func (s Subject) mustCreate(t *testing.T, r dcm.ServerRequest) dcm.Server {
	t.Helper()
	v, err := s.Provider.CreateVM(t.Context(), s.Credential, r)
	if err != nil {
		t.Fatalf("create %s: %v", r.Name, err)
	}
	return v
}

func (s Subject) mustGet(t *testing.T, ref dcm.ServerRef) *dcm.Server {
	t.Helper()
	v, err := s.Provider.GetVM(t.Context(), s.Credential, ref)
	if err != nil {
		t.Fatalf("get %+v: %v", ref, err)
	}
	return v
}

func (s Subject) mustList(t *testing.T, labels map[string]string) []dcm.Server {
	t.Helper()
	list, err := s.Provider.ListVMs(t.Context(), s.Credential, labels)
	if err != nil {
		t.Fatalf("list %v: %v", labels, err)
	}
	return list
}

func (s Subject) mustInject(t *testing.T, f wire.Fault) {
	t.Helper()
	f.Service = s.Service
	if err := s.Wire.Inject(f); err != nil {
		t.Fatal(err)
	}
}

// calls counts every call that reached the stand-in.
func (s Subject) calls() int {
	sum := 0
	for _, n := range s.Wire.Calls()[s.Service] {
		sum += n
	}
	return sum
}

// wantKind checks an error's kind and type, and that it gives no secret away.
func wantKind(t *testing.T, err error, want dcm.ProviderKind) *dcm.ProviderError {
	t.Helper()
	e, ok := errors.AsType[*dcm.ProviderError](err)
	if !ok {
		t.Fatalf("got %v (%T), want a *dcm.ProviderError of kind %s", err, err, want)
	}
	if e.Kind != want {
		t.Errorf("got kind %s, want %s: %v", e.Kind, want, err)
	}
	if e.Op == "" || e.Message == "" {
		t.Errorf("the error says neither what was done nor what is wrong: %+v", e)
	}
	if text := fmt.Sprintf("%v %+v %s", err, err, e.Message); strings.Contains(text, "hunter2") {
		t.Errorf("the error holds a secret: %s", text)
	}
	return e
}

// operations are the four that most tests go through, with ref as the server.
func (s Subject) operations(c dcm.Credential, ref dcm.ServerRef) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		s.Create: func(ctx context.Context) error {
			_, err := s.Provider.CreateVM(ctx, c, s.request("dcm-vm-another"))
			return err
		},
		s.Get: func(ctx context.Context) error {
			_, err := s.Provider.GetVM(ctx, c, ref)
			return err
		},
		s.List: func(ctx context.Context) error {
			_, err := s.Provider.ListVMs(ctx, c, labels("one", "x"))
			return err
		},
		s.Delete: func(ctx context.Context) error { return s.Provider.DeleteVM(ctx, c, ref.ID) },
	}
}
