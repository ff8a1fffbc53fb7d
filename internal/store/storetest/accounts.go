package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func providerAccount(id dcm.AccountID, provider string, at time.Time) dcm.ProviderAccount {
	return dcm.ProviderAccount{
		ID: id, Provider: provider, Sealed: dcm.Sealed("token of " + id), Fingerprint: "f0", Region: "fsn1",
		SSHKeyID: "17", ProjectID: "p", AddedAt: at, CheckedAt: at,
	}
}

func dnsAccount(id dcm.AccountID, at time.Time) *dcm.DNSAccount {
	return &dcm.DNSAccount{ID: id, ZoneID: "z", BaseDomain: "example.org", Sealed: dcm.Sealed("dns " + id), Fingerprint: "f1", AddedAt: at}
}

func storageAccount(id dcm.AccountID, at time.Time) *dcm.StorageAccount {
	return &dcm.StorageAccount{
		ID: id, Endpoint: "https://s3.example.org", Bucket: "b", Region: "r", AccessKeyID: "k",
		Sealed: dcm.Sealed("storage " + id), Fingerprint: "f2", AddedAt: at,
	}
}

// accounts: what a tenant brought along is read in every way there is to read
// it, alike.
func accounts(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	at := s.clock.Now()
	must(t, s.acme().AddWorkspaceKey(t.Context(), key(vm, 1, at)))
	check := func(want dcm.TenantAccounts) {
		t.Helper()
		got, err := s.acme().Accounts(t.Context())
		must(t, err)
		wantEqual(t, got, want)
		gotVM, got, err := s.acme().VMWithAccounts(t.Context(), vm.ID)
		must(t, err)
		wantEqual(t, got, want)
		wantEqual(t, gotVM, vm)
		gotKey, got, err := s.acme().KeyWithAccounts(t.Context(), vm.WorkspaceID, 1)
		must(t, err)
		wantEqual(t, got, want)
		wantEqual(t, gotKey, key(vm, 1, at))
		gotWorkspace, got, err := s.acme().WorkspaceWithAccounts(t.Context(), vm.WorkspaceID)
		must(t, err)
		wantEqual(t, got, want)
		wantEqual(t, gotWorkspace, s.workspace(t, vm))
		known, err := s.acme().LaunchContext(t.Context(), "", "")
		must(t, err)
		wantEqual(t, known.Accounts, want)
	}
	want := dcm.TenantAccounts{Tenant: s.profile(t, acme)}
	check(want)

	want.Providers = map[string]dcm.ProviderAccount{}
	for _, provider := range dcm.ProviderNames {
		a := providerAccount(dcm.AccountID("ac-"+provider), provider, at)
		must(t, s.acme().PutProviderAccount(t.Context(), a, ""))
		want.Providers[provider] = a
	}
	check(want)

	want.Tenant.DNSID, want.Tenant.StorageID, want.Tenant.UpdatedAt = "ac-d1", "ac-s1", at
	want.Tenant.DNSAccounts = map[dcm.AccountID]dcm.DNSAccount{"ac-d1": *dnsAccount("ac-d1", at)}
	want.Tenant.StorageAccounts = map[dcm.AccountID]dcm.StorageAccount{"ac-s1": *storageAccount("ac-s1", at)}
	_, err := s.acme().SetDNSAccount(t.Context(), dnsAccount("ac-d1", at), at)
	must(t, err)
	got, err := s.acme().SetStorageAccount(t.Context(), storageAccount("ac-s1", at), at)
	must(t, err)
	wantEqual(t, got, want.Tenant)
	check(want)

	none, err := s.Tenant(other).Accounts(t.Context())
	must(t, err)
	wantEqual(t, none, dcm.TenantAccounts{Tenant: dcm.Tenant{ID: other, Quotas: dcm.Quotas{MaxConcurrentVMs: Quota}}})
}

// replaceAccounts: an account that was replaced stays readable until it is
// forgotten, and the current one can't be.
func replaceAccounts(t *testing.T, s *subject) {
	at := s.clock.Now()
	set := func(dns *dcm.DNSAccount, storage *dcm.StorageAccount) dcm.Tenant {
		t.Helper()
		_, err := s.acme().SetDNSAccount(t.Context(), dns, at)
		must(t, err)
		got, err := s.acme().SetStorageAccount(t.Context(), storage, at)
		must(t, err)
		return got
	}
	set(dnsAccount("ac-d1", at), storageAccount("ac-s1", at))
	// The same id again is another token for the same account.
	renewed, renewedStorage := dnsAccount("ac-d1", at.Add(1)), storageAccount("ac-s1", at.Add(1))
	got := set(renewed, renewedStorage)
	wantEqual(t, got.DNSAccounts, map[dcm.AccountID]dcm.DNSAccount{"ac-d1": *renewed})
	wantEqual(t, got.StorageAccounts, map[dcm.AccountID]dcm.StorageAccount{"ac-s1": *renewedStorage})

	got = set(dnsAccount("ac-d2", at), storageAccount("ac-s2", at))
	wantEqual(t, got.DNSID, "ac-d2")
	wantEqual(t, got.StorageID, "ac-s2")
	wantEqual(t, got.DNSAccounts, map[dcm.AccountID]dcm.DNSAccount{"ac-d1": *renewed, "ac-d2": *dnsAccount("ac-d2", at)})
	wantEqual(t, got.StorageAccounts, map[dcm.AccountID]dcm.StorageAccount{"ac-s1": *renewedStorage, "ac-s2": *storageAccount("ac-s2", at)})

	for _, current := range []dcm.AccountID{"ac-d2", "ac-s2", dcm.PlatformAccount} {
		wantIs(t, s.acme().ForgetAccount(t.Context(), current), dcm.ErrLostRace)
	}
	must(t, s.acme().ForgetAccount(t.Context(), "ac-d1"))
	got = set(nil, nil)
	wantEqual(t, got.DNSID, dcm.PlatformAccount)
	wantEqual(t, got.StorageID, dcm.PlatformAccount)
	for _, old := range []dcm.AccountID{"ac-d1", "ac-d2", "ac-s1", "ac-s2", "ac-never"} {
		must(t, s.acme().ForgetAccount(t.Context(), old))
	}
	got = s.profile(t, acme)
	wantEqual(t, len(got.DNSAccounts)+len(got.StorageAccounts), 0)

	// Nothing is made for a tenant that has nothing to forget.
	must(t, s.Tenant(other).ForgetAccount(t.Context(), "ac-d1"))
	wantEqual(t, s.profile(t, other).CreatedAt, time.Time{})
}

// accountNoted: what is wrong with a zone or a bucket is noted on it alone, if it
// still has the secret that was used, and is gone with another secret.
func accountNoted(t *testing.T, s *subject) {
	at := s.clock.Now()
	dns, storage := dnsAccount("ac-d1", at), storageAccount("ac-s1", at)
	notes := []dcm.AccountNote{
		{Kind: dcm.AccountDNS, ID: "ac-d1", Fingerprint: dns.Fingerprint},
		{Kind: dcm.AccountStorage, ID: "ac-s1", Fingerprint: storage.Fingerprint},
	}
	problem := &dcm.AccountProblem{Code: dcm.CodeNotFound, Message: "it is gone", Since: at}
	for _, n := range notes {
		n.Problem = problem
		wantIs(t, s.acme().NoteAccount(t.Context(), n), dcm.ErrLostRace)
	}
	set := func() {
		t.Helper()
		_, err := s.acme().SetDNSAccount(t.Context(), dns, at)
		must(t, err)
		_, err = s.acme().SetStorageAccount(t.Context(), storage, at)
		must(t, err)
	}
	check := func(want *dcm.AccountProblem) {
		t.Helper()
		d, b := *dns, *storage
		d.Problem, b.Problem = want, want
		got := s.profile(t, acme)
		wantEqual(t, got.DNSAccounts, map[dcm.AccountID]dcm.DNSAccount{"ac-d1": d})
		wantEqual(t, got.StorageAccounts, map[dcm.AccountID]dcm.StorageAccount{"ac-s1": b})
	}
	note := func(p *dcm.AccountProblem) {
		t.Helper()
		for _, n := range notes {
			n.Problem = p
			must(t, s.acme().NoteAccount(t.Context(), n))
		}
		check(p)
	}
	set()
	note(problem)
	note(nil)
	note(problem)
	for _, n := range notes {
		n.Fingerprint = "another"
		wantIs(t, s.acme().NoteAccount(t.Context(), n), dcm.ErrLostRace)
		n.ID = dcm.PlatformAccount
		if err := s.acme().NoteAccount(t.Context(), n); err == nil {
			t.Fatal("a note on the platform's account was taken")
		}
	}
	check(problem)
	set()
	check(nil)
}

// ownProvider: an account counts the VMs that depend on it, and stays while
// there is one.
func ownProvider(t *testing.T, s *subject) {
	at := s.clock.Now()
	account := providerAccount("ac-1", "hetzner", at)
	own := func() dcm.Intent {
		i := s.intent(t, acme)
		i.VM.AccountID = "ac-1"
		return i
	}
	put := func(a dcm.ProviderAccount, replaces dcm.AccountID) error {
		return s.acme().PutProviderAccount(t.Context(), a, replaces)
	}
	check := func(want dcm.ProviderAccount) {
		t.Helper()
		got, err := s.acme().Accounts(t.Context())
		must(t, err)
		wantEqual(t, got.Providers, map[string]dcm.ProviderAccount{"hetzner": want})
	}
	wantIs(t, s.acme().CreateVM(t.Context(), own()), dcm.ErrLostRace)
	wantIs(t, put(account, "ac-0"), dcm.ErrLostRace)
	must(t, put(account, ""))
	wantIs(t, put(account, ""), dcm.ErrLostRace)
	elsewhere := own()
	elsewhere.VM.Provider = "ovh"
	wantIs(t, s.acme().CreateVM(t.Context(), elsewhere), dcm.ErrLostRace)

	first, second := own(), own()
	must(t, s.acme().CreateVM(t.Context(), first))
	must(t, s.acme().CreateVM(t.Context(), second))
	s.launch(t, acme) // at the platform's
	account.ActiveVMs = 2
	check(account)

	// Another token keeps the count; another account must wait.
	account.Sealed, account.Region, account.Problem = dcm.Sealed("renewed"), "", &dcm.Problem{Code: "x", Message: "y"}
	renewed := account
	renewed.ActiveVMs = 77
	must(t, put(renewed, "ac-1"))
	check(account)
	wantIs(t, put(providerAccount("ac-2", "hetzner", at), "ac-1"), dcm.ErrLostRace)
	wantIs(t, s.acme().RemoveProviderAccount(t.Context(), "hetzner"), dcm.ErrLostRace)

	account.CheckedAt, account.Problem = at.Add(time.Hour), nil
	must(t, s.acme().NoteProviderAccount(t.Context(), "hetzner", "ac-1", account.CheckedAt, nil))
	check(account)
	account.Problem = &dcm.Problem{Code: "provider_auth", Message: "no"}
	must(t, s.acme().NoteProviderAccount(t.Context(), "hetzner", "ac-1", account.CheckedAt, account.Problem))
	wantIs(t, s.acme().NoteProviderAccount(t.Context(), "hetzner", "ac-2", at, nil), dcm.ErrLostRace)
	wantCode(t, s.acme().NoteProviderAccount(t.Context(), "ovh", "ac-1", at, nil), dcm.CodeNotFound)
	check(account)

	s.settle(t, first.VM)
	account.ActiveVMs = 1
	check(account)
	s.settle(t, second.VM)
	must(t, put(providerAccount("ac-2", "hetzner", at), "ac-1"))
	check(providerAccount("ac-2", "hetzner", at))
	wantIs(t, s.acme().CreateVM(t.Context(), own()), dcm.ErrLostRace)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)

	must(t, s.acme().RemoveProviderAccount(t.Context(), "hetzner"))
	for _, provider := range []string{"hetzner", "ovh", "nobody", "", "x#y"} {
		wantCode(t, s.acme().RemoveProviderAccount(t.Context(), provider), dcm.CodeNotFound)
	}
	if err := put(providerAccount("ac-3", "nobody", at), ""); err == nil {
		t.Fatal("an account at nobody's was kept")
	}
}

// accountGone: a VM ends even when its account is not there any more, or
// counts no VM.
func accountGone(t *testing.T, s *subject) {
	vm := s.stop(t, s.launch(t, acme))
	f := s.finishOf(vm)
	f.AccountID = "ac-gone"
	must(t, s.acme().FinishVM(t.Context(), f))
	wantEqual(t, s.profile(t, acme).ActiveVMs, 0)

	must(t, s.acme().PutProviderAccount(t.Context(), providerAccount("ac-1", vm.Provider, s.clock.Now()), ""))
	for _, id := range []dcm.AccountID{"ac-1", "ac-other"} {
		vm = s.stop(t, s.launch(t, acme))
		f = s.finishOf(vm)
		f.AccountID, f.DropWorkspace = id, true
		must(t, s.acme().FinishVM(t.Context(), f))
	}
	got, err := s.acme().Accounts(t.Context())
	must(t, err)
	wantEqual(t, got.Providers[vm.Provider].ActiveVMs, 0)
	wantEqual(t, got.Tenant.ActiveVMs, 0)
}

// accountReplaced: nothing new comes to depend on an account that may be
// forgotten any time.
func accountReplaced(t *testing.T, s *subject) {
	at := s.clock.Now()
	_, err := s.acme().SetDNSAccount(t.Context(), dnsAccount("ac-d1", at), at)
	must(t, err)
	_, err = s.acme().SetStorageAccount(t.Context(), storageAccount("ac-s1", at), at)
	must(t, err)
	own := func() dcm.Intent {
		i := s.intent(t, acme)
		i.VM.DNS.AccountID, i.VM.StorageID, i.Workspace.StorageID = "ac-d1", "ac-s1", "ac-s1"
		return i
	}
	first := own()
	must(t, s.acme().CreateVM(t.Context(), first))
	wantEqual(t, s.vm(t, first.VM), first.VM)
	s.end(t, first.VM)

	_, err = s.acme().SetDNSAccount(t.Context(), nil, at)
	must(t, err)
	wantIs(t, s.acme().CreateVM(t.Context(), own()), dcm.ErrLostRace)
	_, err = s.acme().SetStorageAccount(t.Context(), nil, at)
	must(t, err)
	i := own()
	i.VM.DNS.AccountID = dcm.PlatformAccount
	wantIs(t, s.acme().CreateVM(t.Context(), i), dcm.ErrLostRace)

	// What lies there already may be used while it is known.
	again := s.resumption(t, first.VM)
	must(t, s.acme().CreateVM(t.Context(), again))
	s.end(t, again.VM)
	must(t, s.acme().ForgetAccount(t.Context(), "ac-s1"))
	wantIs(t, s.acme().CreateVM(t.Context(), s.resumption(t, first.VM)), dcm.ErrLostRace)
}
