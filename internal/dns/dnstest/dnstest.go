// Package dnstest is the suite that every dcm.DNS passes, against its
// service's stand-in: records are adopted and never doubled, lists are whole
// or not at all, and there is not one call more than promised.
package dnstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// Subject is a DNS service with its stand-in. Every test gets a fresh one.
type Subject struct {
	DNS dcm.DNS
	// Zone is a zone whose name is ZoneName, and that holds Foreign, a record
	// of somebody else's with no comment. ReadOnly may only read it; Unknown
	// has a token that was never issued; Other is a zone that the token of
	// Zone does not reach.
	Zone, ReadOnly, Unknown, Other dcm.DNSZone
	ZoneName                       string
	Foreign                        dcm.DNSRecord
	// Records are what Zone holds, as the stand-in itself says.
	Records func() []dcm.DNSRecord
	// Limit is how many records the zone takes beside Foreign.
	Limit int
	// PageSize is the most records the stand-in gives in one answer.
	PageSize int

	// Wire is in front of the stand-in, which it calls Service.
	Wire    *wire.Wire
	Service string
	// Create, Batch, List and Delete name the operations.
	Create, Batch, List, Delete string
	// Codes are the service's own error codes by what they mean to us.
	Codes map[dcm.ProviderKind][]string
}

// Run runs the suite.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	groups := []struct {
		name string
		test func(*testing.T, func(*testing.T) Subject)
	}{
		{"publish", testPublish}, {"adoption", testAdoption}, {"withdraw", testWithdraw},
		{"find", testFind}, {"errors", testErrors}, {"credentials", testCredentials},
		{"check", testCheck},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			g.test(t, newSubject)
		})
	}
}

func scenario(t *testing.T, name string, newSubject func(*testing.T) Subject, test func(*testing.T, Subject)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t, newSubject(t))
	})
}

func comment(vm string) string { return dcm.DNSComment("one", "acme", dcm.VMID(vm)) }

// records are a VM's, as the lifecycle publishes them.
func (s Subject) records(vm, ipv4, ipv6 string) []dcm.DNSRecord {
	return dcm.AddressRecords(vm+".acme.vm."+s.ZoneName, ipv4, ipv6, comment(vm))
}

func (s Subject) mustPublish(t *testing.T, records []dcm.DNSRecord) []string {
	t.Helper()
	ids, err := s.DNS.Publish(t.Context(), s.Zone, records)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	if len(ids) != len(records) || slices.Contains(ids, "") {
		t.Fatalf("published %d records as %q", len(records), ids)
	}
	return ids
}

func (s Subject) mustFind(t *testing.T, comment string, prefix bool) []dcm.DNSRecord {
	t.Helper()
	list, err := s.DNS.Find(t.Context(), s.Zone, comment, prefix)
	if err != nil {
		t.Fatalf("find %q: %v", comment, err)
	}
	if list == nil {
		t.Fatalf("find %q: nil without an error", comment)
	}
	return list
}

func (s Subject) mustWithdraw(t *testing.T, ids ...string) {
	t.Helper()
	if err := s.DNS.Withdraw(t.Context(), s.Zone, ids...); err != nil {
		t.Fatalf("withdraw %q: %v", ids, err)
	}
}

func (s Subject) mustInject(t *testing.T, f wire.Fault) {
	t.Helper()
	f.Service = s.Service
	if err := s.Wire.Inject(f); err != nil {
		t.Fatal(err)
	}
}

func (s Subject) calls() int {
	sum := 0
	for _, n := range s.Wire.Calls()[s.Service] {
		sum += n
	}
	return sum
}

// wantIs compares a record as found with the one published.
func wantIs(t *testing.T, got, want dcm.DNSRecord) {
	t.Helper()
	want.ID, want.CreatedAt = got.ID, got.CreatedAt
	if got != want || got.ID == "" || got.CreatedAt.IsZero() {
		t.Errorf("found %+v, published was %+v", got, want)
	}
}

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
	if text := fmt.Sprintf("%v %+v %+v %s", err, err, errors.Unwrap(err), e.Message); strings.Contains(text, "hunter2") {
		t.Errorf("the error holds the token: %s", text)
	}
	return e
}

// operations are all that go to the service.
func (s Subject) operations(z dcm.DNSZone, id string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		s.Create: func(ctx context.Context) error {
			_, err := s.DNS.Publish(ctx, z, s.records("vm-one", "198.51.100.1", ""))
			return err
		},
		s.Batch: func(ctx context.Context) error {
			_, err := s.DNS.Publish(ctx, z, s.records("vm-two", "198.51.100.2", "2001:db8::2"))
			return err
		},
		s.List: func(ctx context.Context) error {
			_, err := s.DNS.Find(ctx, z, comment("vm-one"), false)
			return err
		},
		s.Delete: func(ctx context.Context) error { return s.DNS.Withdraw(ctx, z, id) },
	}
}
