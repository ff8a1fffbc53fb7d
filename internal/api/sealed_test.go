package api_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestSealedValuesOpenWhereTheyLie: every sealed value of the real table opens
// in one context, its own. Copied to another tenant, purpose or item it is
// worth nothing, and neither is it after a change of any kind; and not even to a
// function that has the very key in memory that the value is under. A tenant's
// accounts key is no sealed value, and opens nowhere.
func TestSealedValuesOpenWhereTheyLie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, evil := w.user("acme"), w.user("evil")
	m, vm := w.running(acme)
	m.backup(0, []byte("work"))
	other, _ := w.running(acme)
	other.backup(0, []byte("work"))
	foreign, theirs := w.running(evil)
	foreign.backup(0, []byte("work"))
	w.bringAlong()
	acme.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	acme.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	acme.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)

	resources := []string{string(vm.ID), string(other.id), string(theirs.ID), "ac-abcdefghjk", "acme", ""}
	for _, id := range []dcm.WorkspaceID{vm.WorkspaceID, other.boot.WorkspaceID, theirs.WorkspaceID} {
		resources = append(resources, fmt.Sprintf("%s#1", id), fmt.Sprintf("%s#2", id), string(id))
	}
	accounts, err := w.behind().Store().Tenant("acme").Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts.Providers {
		resources = append(resources, string(a.ID))
	}
	for id := range accounts.Tenant.DNSAccounts {
		resources = append(resources, string(id))
	}
	for id := range accounts.Tenant.StorageAccounts {
		resources = append(resources, string(id))
	}
	var all []dcm.SealContext
	for _, tenant := range []dcm.TenantID{"acme", "evil", "default", ""} {
		for _, purpose := range []dcm.Purpose{
			dcm.PurposeTerminalPassword, dcm.PurposeWorkspaceKey, dcm.PurposeProviderCredential,
			dcm.PurposeDNSCredential, dcm.PurposeStorageCredential, dcm.PurposeAccountsKey,
		} {
			for _, resource := range resources {
				all = append(all, dcm.SealContext{Tenant: tenant, Purpose: purpose, Resource: resource})
			}
		}
	}

	a := w.behind()
	sealer, remembering, opened := keys.Sealer(a), keys.AccountSealer(a), map[dcm.SealContext]int{}
	accountsKeys := 0
	for _, item := range w.Items() {
		owner := fmt.Sprint(item["PK"])
		key, _ := item["accountsKey"].([]byte)
		for _, sealed := range binaries(item) {
			var own []dcm.SealContext
			for _, c := range all {
				if _, err := sealer.Open(t.Context(), c, sealed); err == nil {
					own = append(own, c)
				} else if dcm.ErrorCode(err) != dcm.CodeInternal {
					t.Errorf("refused with %v", err)
				}
			}
			if bytes.Equal(sealed, key) {
				if accountsKeys++; len(own) != 0 || owner != "TENANT#acme" {
					t.Errorf("the accounts key of %s opens as %+v", owner, own)
				}
				continue
			}
			if len(own) != 1 || owner != "TENANT#"+string(own[0].Tenant) {
				t.Errorf("a value of %s %v opens as %+v", owner, item["SK"], own)
				continue
			}
			opened[own[0]]++
			// Its own first: what follows finds the key in memory.
			if _, err := remembering.Open(t.Context(), own[0], sealed); err != nil {
				t.Errorf("%+v, with a memory: %v", own[0], err)
			}
			for _, c := range all {
				if _, err := remembering.Open(t.Context(), c, sealed); err == nil && c != own[0] {
					t.Errorf("%+v opens as %+v with its key in memory", own[0], c)
				}
			}
			for i := range sealed {
				spoiled := bytes.Clone(sealed)
				spoiled[i] ^= 1
				if _, err := sealer.Open(t.Context(), own[0], spoiled); err == nil {
					t.Errorf("opens with byte %d changed: %+v", i, own[0])
				}
			}
		}
	}
	if accountsKeys != 1 {
		t.Errorf("%d accounts keys", accountsKeys)
	}
	kinds := map[dcm.Purpose]int{}
	for c := range opened {
		kinds[c.Purpose]++
	}
	if kinds[dcm.PurposeTerminalPassword] != 3 || kinds[dcm.PurposeWorkspaceKey] != 3 || kinds[dcm.PurposeProviderCredential] != 1 ||
		kinds[dcm.PurposeDNSCredential] != 1 || kinds[dcm.PurposeStorageCredential] != 1 {
		t.Errorf("tried %v; something sealed is not where this test looks", kinds)
	}
}

// binaries are all binary attributes of an item, however deep: whatever is
// sealed lies in one.
func binaries(v any) []dcm.Sealed {
	var found []dcm.Sealed
	switch v := v.(type) {
	case []byte:
		found = append(found, v)
	case map[string]any:
		for _, element := range v {
			found = append(found, binaries(element)...)
		}
	case []any:
		for _, element := range v {
			found = append(found, binaries(element)...)
		}
	}
	return found
}
