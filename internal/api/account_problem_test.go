package api_test

import (
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
)

// problems are what is wrong with the tenant's own zone and bucket.
func (c caller) problems() (dns, storage *dcm.AccountProblem) {
	c.w.t.Helper()
	v := c.tenant()
	return v.DNSConfig.Problem, v.StorageConfig.Problem
}

// TestABrokenZoneOrBucketIsSaid: in GET /tenant with a code and since when, and once
// in the audit log; until it works again, or is set anew.
func TestABrokenZoneOrBucketIsSaid(t *testing.T) {
	t.Parallel()
	own := func(t *testing.T) (*world, caller) {
		w := newWorld(t, nil)
		w.bringAlong()
		user := w.user("acme")
		user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
		user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
		if dns, storage := user.problems(); dns != nil || storage != nil {
			t.Fatalf("sound ones have %+v and %+v", dns, storage)
		}
		return w, user
	}
	look := func(w *world) {
		w.advance(dcm.ReconcileInterval)
		w.sweepOrphans()
	}
	said := func(user caller, resource string) (n int) {
		for _, e := range user.events() {
			if e.Resource == resource && e.Actor == dcm.ActorSystem && e.Result != "ok" {
				n++
			}
		}
		return n
	}
	t.Run("a token that is refused", func(t *testing.T) {
		t.Parallel()
		w, user := own(t)
		w.RevokeCloudflareToken(ownDNSToken)
		look(w)
		first, storage := user.problems()
		if first == nil || first.Code != dcm.CodeProviderAuth || w.Now().Sub(first.Since) > dcm.ReconcileInterval || storage != nil {
			t.Fatalf("%+v, and of the bucket %+v", first, storage)
		}
		look(w)
		if again, _ := user.problems(); again == nil || !again.Since.Equal(first.Since) || said(user, "tenant/dns") != 1 {
			t.Errorf("since %v, and then %+v; said %d times", first.Since, again, said(user, "tenant/dns"))
		}
		w.AddCloudflareToken(ownDNSToken, cloudflare.Token{Zones: []string{ownZone}})
		look(w)
		if dns, _ := user.problems(); dns != nil {
			t.Errorf("it works again: %+v", dns)
		}
	})
	t.Run("a bucket that is gone, and set anew", func(t *testing.T) {
		t.Parallel()
		w, user := own(t)
		w.fault(map[string]any{"service": "s3", "mode": "error", "code": "NoSuchBucket"})
		look(w)
		dns, storage := user.problems()
		if storage == nil || storage.Code != dcm.CodeNotFound || !strings.Contains(storage.Message, "gone") || dns != nil {
			t.Fatalf("%+v, and of the zone %+v", storage, dns)
		}
		w.clearFaults()
		user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
		if _, storage := user.problems(); storage != nil || said(user, "tenant/storage") != 1 {
			t.Errorf("set anew: %+v; said %d times", storage, said(user, "tenant/storage"))
		}
	})
	t.Run("a service that asks to wait says nothing", func(t *testing.T) {
		t.Parallel()
		w, user := own(t)
		w.fault(map[string]any{"service": "cloudflare", "operation": "*", "mode": "error", "code": "429"})
		look(w)
		if dns, _ := user.problems(); dns != nil {
			t.Errorf("%+v", dns)
		}
	})
	t.Run("a launch meets it first", func(t *testing.T) {
		t.Parallel()
		w, user := own(t)
		w.RevokeCloudflareToken(ownDNSToken)
		user.call("POST", "/vms", w.launchBody()).expect(t, 424)
		if dns, _ := user.problems(); dns == nil || dns.Code != dcm.CodeProviderAuth {
			t.Errorf("%+v", dns)
		}
	})
	t.Run("a release meets it first", func(t *testing.T) {
		t.Parallel()
		w, user := own(t)
		vm := user.launch()
		w.RevokeCloudflareToken(ownDNSToken)
		user.force(vm.ID)
		if dns, _ := user.problems(); dns == nil || dns.Code != dcm.CodeProviderAuth {
			t.Errorf("%+v", dns)
		}
	})
}
