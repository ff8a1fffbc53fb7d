package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestForgedOrphans: whoever owns an account can put there what looks like ours,
// of any age. That calls nobody, and is no check's unless the account was ours.
func TestForgedOrphans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user := w.user("acme")
	before, after := "acme/dcm-check-before/upload", "acme/dcm-check-after/upload"
	w.startUpload(w.ownBucket(), before)
	w.advance(dcm.OrphanGrace + time.Minute)
	user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	user.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	w.startUpload(w.ownBucket(), after)
	unread := wildcard("acme", "vm-aaaaaaaaaa", ownDomain)
	unread.Name = "www." + ownDomain
	w.publish(ownDNSToken, ownZone, unread)
	w.advance(dcm.ReconcileInterval)
	if report := w.sweepOrphans(); report.Removed != 1 || report.Unclear != 1 || report.Failed != 0 {
		t.Errorf("%+v", report)
	}
	if got := w.uploads(); !slices.Equal(got, []string{before}) {
		t.Errorf("uploads: %v", got)
	}
	w.settled("acme", 1)
	for _, metric := range []string{`"OrphanMinutes":`, `"OrphansUnclear":1`} {
		if strings.Contains(string(w.log()), metric) {
			t.Errorf("the platform counts %s", metric)
		}
	}
	// In its own accounts the platform counts both.
	unread = wildcard("acme", "vm-aaaaaaaaaa", "localhost")
	unread.Name = "www.localhost"
	w.publish(platformDNSToken, platformZone, unread)
	w.startUpload(dcm.Bucket{Name: platformBucket}, before)
	w.old()
	if report := w.sweepOrphans(); report.Removed != 1 || report.Unclear < 1 {
		t.Errorf("%+v", report)
	}
	for _, metric := range []string{`"OrphanMinutes":`, `"OrphansUnclear":1`} {
		if !strings.Contains(string(w.log()), metric) {
			t.Errorf("nobody counts %s", metric)
		}
	}
}
