package api_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// brought is a world in which acme has its own provider and domain.
func brought(t *testing.T) (*world, caller) {
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	return w, user
}

func (w *world) accountsOf(t dcm.TenantID) dcm.TenantAccounts {
	w.t.Helper()
	known, err := w.behind().Store().Tenant(t).Accounts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return known
}

func (w *world) keepProvider(t dcm.TenantID, a dcm.ProviderAccount, replaces dcm.AccountID) {
	w.t.Helper()
	if err := w.behind().Store().Tenant(t).PutProviderAccount(w.t.Context(), a, replaces); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) keepZone(t dcm.TenantID, a dcm.DNSAccount) {
	w.t.Helper()
	if _, err := w.behind().Store().Tenant(t).SetDNSAccount(w.t.Context(), &a, a.AddedAt); err != nil {
		w.t.Fatal(err)
	}
}

// TestSwappedAccountsOpenNothing: whoever can write the table can't have one
// account's token used as another's, in the tenant or in another, though all
// of a tenant's are under one key.
func TestSwappedAccountsOpenNothing(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(w *world, known dcm.TenantAccounts) (victim dcm.TenantID){
		"the zone's token as the provider's": func(w *world, known dcm.TenantAccounts) dcm.TenantID {
			account := known.Providers["hetzner"]
			account.Sealed = known.Tenant.DNSAccounts[known.Tenant.DNSID].Sealed
			w.keepProvider("acme", account, account.ID)
			return "acme"
		},
		"the provider's token as the zone's": func(w *world, known dcm.TenantAccounts) dcm.TenantID {
			zone := known.Tenant.DNSAccounts[known.Tenant.DNSID]
			zone.Sealed = known.Providers["hetzner"].Sealed
			w.keepZone("acme", zone)
			return "acme"
		},
		"the token under another account's id": func(w *world, known dcm.TenantAccounts) dcm.TenantID {
			account := known.Providers["hetzner"]
			replaced := account.ID
			account.ID = "ac-zzzzzzzzzz"
			w.keepProvider("acme", account, replaced)
			return "acme"
		},
		"the provider's account, key and all, for another tenant": func(w *world, known dcm.TenantAccounts) dcm.TenantID {
			if _, err := w.behind().Store().Tenant("evil").KeepAccountsKey(w.t.Context(), known.Tenant.AccountsKey, nil, w.Now()); err != nil {
				w.t.Fatal(err)
			}
			w.keepProvider("evil", known.Providers["hetzner"], "")
			return "evil"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := brought(t)
			// The function that is asked next has the tenant's key in memory.
			user.force(user.launch().ID)
			victim := move(w, w.accountsOf("acme"))
			w.user(victim).call("POST", "/vms", w.launchBody()).expect(t, 500)
			w.nothingLeft()
		})
	}
}

// TestAccountsUnderKeysOfTheirOwn: tokens that each lie under a data key of
// their own open, and come under the tenant's as they are replaced.
func TestAccountsUnderKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	w, user := brought(t)
	known := w.accountsOf("acme")
	sealer := keys.Sealer(w.behind())
	seal := func(c dcm.SealContext, token string) dcm.Sealed {
		sealed, err := sealer.Seal(t.Context(), c, dcm.NewSecret(token))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	account, zone := known.Providers["hetzner"], known.Tenant.DNSAccounts[known.Tenant.DNSID]
	account.Sealed = seal(tenancy.ProviderContext("acme", account.ID), ownToken)
	w.keepProvider("acme", account, account.ID)
	zone.Sealed = seal(tenancy.DNSContext("acme", zone.ID), ownDNSToken)
	w.keepZone("acme", zone)

	user.force(user.launch().ID)
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	calls := w.callsDuring(func() { user.force(user.launch().ID) })
	if calls["kms"]["Decrypt"] != 2 { // in vms-create and in vms-delete, which know the zone's key
		t.Errorf("calls %v after one of two was replaced", calls["kms"])
	}
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	calls = w.callsDuring(func() { user.force(user.launch().ID) })
	if calls["kms"]["Decrypt"] != 0 {
		t.Errorf("calls %v when both are under the tenant's key", calls["kms"])
	}
	w.nothingLeft()
}

// TestAnAccountsKeyThatKMSRefuses gives way to a new one with the next token,
// and what lay under it is not touched.
func TestAnAccountsKeyThatKMSRefuses(t *testing.T) {
	t.Parallel()
	w, user := brought(t)
	before := w.accountsOf("acme")
	ctx, a := context.Background(), w.behind()
	foreign, err := keys.Sealer(a).NewKey(ctx, "evil")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Store().Tenant("acme").KeepAccountsKey(ctx, foreign, before.Tenant.AccountsKey, w.Now()); err != nil {
		t.Fatal(err)
	}
	w.AddHetznerToken("acme-rotated-token", hetzner.Token{Project: "acme"})
	body := w.providerBody()
	body["apiToken"] = "acme-rotated-token"
	user.call("POST", "/tenant/providers", body).expect(t, 201)
	after := w.accountsOf("acme")
	if key := after.Tenant.AccountsKey; bytes.Equal(key, foreign) || bytes.Equal(key, before.Tenant.AccountsKey) {
		t.Error("the key is not a new one")
	}
	user.force(user.launch().ID)
	w.nothingLeft()

	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	if !bytes.Equal(w.accountsOf("acme").Tenant.AccountsKey, after.Tenant.AccountsKey) {
		t.Error("a key that works was replaced")
	}
}
