package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// accountsKey: a tenant has one key for its accounts, whoever comes first with
// it, and another only in the place of the very one that it has.
func accountsKey(t *testing.T, s *subject) {
	at := s.clock.Now()
	keep := func(key, replaces, want string) {
		t.Helper()
		got, err := s.acme().KeepAccountsKey(t.Context(), dcm.WrappedKey(key), dcm.WrappedKey(replaces), at)
		must(t, err)
		if string(got) != want {
			t.Errorf("%s, in the place of %q: got %s, want %s", key, replaces, got, want)
		}
	}
	keep("k1", "", "k1")
	keep("k2", "", "k1")
	keep("k2", "k0", "k1")
	keep("k2", "k1", "k2")
	keep("k1", "k1", "k2")

	read, err := s.acme().Accounts(t.Context())
	must(t, err)
	if string(read.Tenant.AccountsKey) != "k2" || read.Tenant.Quotas.MaxConcurrentVMs != Quota || !read.Tenant.CreatedAt.Equal(at) {
		t.Errorf("read %+v", read.Tenant)
	}
	_, err = s.acme().SetDNSAccount(t.Context(), dnsAccount("ac-d1", at), at)
	must(t, err)
	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-p1", "hetzner", at), ""))
	known, err := s.acme().LaunchContext(t.Context(), "", "")
	must(t, err)
	if string(known.Accounts.Tenant.AccountsKey) != "k2" || len(known.Accounts.Providers) != 1 || len(known.Accounts.Tenant.DNSAccounts) != 1 {
		t.Errorf("after accounts were set: %+v", known.Accounts)
	}

	kept := make([]string, 8)
	var all sync.WaitGroup
	for i := range kept {
		all.Go(func() {
			got, err := s.Tenant(other).KeepAccountsKey(t.Context(), dcm.WrappedKey{byte('a' + i)}, nil, at)
			if err != nil {
				t.Error(err)
			}
			kept[i] = string(got)
		})
	}
	all.Wait()
	if len(slices.Compact(kept)) != 1 || kept[0] == "" {
		t.Errorf("at once, they were told %q", kept)
	}
	if _, err := s.acme().KeepAccountsKey(t.Context(), nil, dcm.WrappedKey("k2"), at); err == nil {
		t.Error("no key was kept")
	}
}
