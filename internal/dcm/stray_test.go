package dcm_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestOwners: what says exactly in our form whose it is, and what doesn't.
func TestOwners(t *testing.T) {
	t.Parallel()
	labels := func(change map[string]string) map[string]string {
		l := dcm.VM{ID: "vm-aaaaaaaaaa", TenantID: "acme"}.ServerLabels("here")
		for k, v := range change {
			l[k] = v
		}
		return l
	}
	for name, c := range map[string]struct {
		labels map[string]string
		ok     bool
	}{
		"ours":                 {labels(nil), true},
		"another installation": {labels(map[string]string{dcm.LabelInstallation: "here-2"}), false},
		"other letters":        {labels(map[string]string{dcm.LabelInstallation: "Here"}), false},
		"another manager":      {labels(map[string]string{dcm.LabelManagedBy: "devcontainer-manager2"}), false},
		"no tenant":            {labels(map[string]string{dcm.LabelTenant: ""}), false},
		"no tenant's name":     {labels(map[string]string{dcm.LabelTenant: "A#B"}), false},
		"no VM":                {labels(map[string]string{dcm.LabelVM: "vm-short"}), false},
		"no labels":            {nil, false},
	} {
		if _, _, ok := dcm.ServerOwner("here", c.labels); ok != c.ok {
			t.Errorf("server, %s: %t", name, ok)
		}
	}
	const comment = "dcm/here/acme/vm-aaaaaaaaaa"
	for name, c := range map[string]struct {
		record dcm.DNSRecord
		ok     bool
	}{
		"A":                    {dcm.DNSRecord{Type: "A", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com", Comment: comment}, true},
		"AAAA":                 {dcm.DNSRecord{Type: "AAAA", Name: "*.vm-aaaaaaaaaa.vm.example.org", Comment: comment}, true},
		"challenge":            {dcm.DNSRecord{Type: "TXT", Name: "_acme-challenge.vm-aaaaaaaaaa.acme.vm.example.com", Comment: comment}, true},
		"check":                {dcm.CheckRecord(dcm.DNSOwnership{Installation: "here", Tenant: "acme", VM: "vm-aaaaaaaaaa"}, "example.com"), true},
		"text elsewhere":       {dcm.DNSRecord{Type: "TXT", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com", Comment: comment}, false},
		"another VM's name":    {dcm.DNSRecord{Type: "A", Name: "*.vm-aaaaaaaaab.acme.vm.example.com", Comment: comment}, false},
		"another type":         {dcm.DNSRecord{Type: "CNAME", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com", Comment: comment}, false},
		"another installation": {dcm.DNSRecord{Type: "A", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com", Comment: "dcm/there/acme/vm-aaaaaaaaaa"}, false},
		"more in the comment":  {dcm.DNSRecord{Type: "A", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com", Comment: comment + " by hand"}, false},
		"no comment":           {dcm.DNSRecord{Type: "A", Name: "*.vm-aaaaaaaaaa.acme.vm.example.com"}, false},
	} {
		if _, _, ok := dcm.DNSOwner("here", c.record); ok != c.ok {
			t.Errorf("record, %s: %t", name, ok)
		}
	}
	for key, want := range map[string]bool{
		dcm.BackupKey("acme", "ws-aaaaaaaaaa"):           true,
		dcm.BackupCopyKey("acme", "ws-aaaaaaaaaa"):       true,
		dcm.BackupMetadataKey("acme", "ws-aaaaaaaaaa"):   false,
		dcm.BackupKey("acme", "ws-aaaaaaaaaa") + ".part": false,
		"x/" + dcm.BackupKey("acme", "ws-aaaaaaaaaa"):    false,
		"acme/project/workspace.tar.gz.enc":              false,
		"agent/dcm-agent-linux-arm64":                    false,
		"":                                               false,
	} {
		if _, _, ok := dcm.UploadOwner(key); ok != want {
			t.Errorf("upload %q: %t", key, ok)
		}
	}
}

// TestStrays: which record owns what was found.
func TestStrays(t *testing.T) {
	t.Parallel()
	vm := func(status dcm.Status, account dcm.AccountID, server string) *dcm.VM {
		return &dcm.VM{Status: status, Provider: "hetzner", AccountID: account, ProviderID: server}
	}
	for name, c := range map[string]struct {
		vm    *dcm.VM
		stray bool
	}{
		"no record":                {nil, true},
		"stopped":                  {vm(dcm.StatusStopped, "", "1"), true},
		"stopped, another server":  {vm(dcm.StatusStopped, "ac-1", "2"), true},
		"running":                  {vm(dcm.StatusRunning, "", "1"), false},
		"stopping":                 {vm(dcm.StatusStopping, "", "1"), false},
		"launch under way":         {vm(dcm.StatusCreating, "", ""), false},
		"another server":           {vm(dcm.StatusRunning, "", "2"), true},
		"another server, creating": {vm(dcm.StatusCreating, "", "2"), true},
		"another account":          {vm(dcm.StatusRunning, "ac-1", "1"), false},
		"another server elsewhere": {vm(dcm.StatusRunning, "ac-1", "2"), false},
	} {
		if why := dcm.StrayServer("1", "hetzner", "", c.vm); (why != "") != c.stray {
			t.Errorf("server, %s: %q", name, why)
		}
	}
	if dcm.StrayRecord(nil) == "" || dcm.StrayRecord(vm(dcm.StatusStopped, "", "1")) == "" || dcm.StrayRecord(vm(dcm.StatusCreating, "ac-1", "")) != "" {
		t.Error("records")
	}
	began := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ws := &dcm.Workspace{CreatedAt: began.Add(-time.Hour)}
	copying := &dcm.Workspace{Task: &dcm.WorkspaceTask{Upload: &dcm.Upload{}}}
	waiting := &dcm.Workspace{Task: &dcm.WorkspaceTask{Kind: dcm.TaskRotate}}
	uploading := func(id string) *dcm.VM { return &dcm.VM{Upload: &dcm.Upload{UploadID: id}} }
	for name, c := range map[string]struct {
		account dcm.AccountID
		ws      *dcm.Workspace
		vm      *dcm.VM
		stray   bool
	}{
		"no workspace":                       {"", nil, nil, true},
		"no workspace, in a tenant's bucket": {"ac-1", nil, nil, false},
		"idle":                               {"", ws, nil, true},
		"older than its workspace":           {"ac-1", &dcm.Workspace{CreatedAt: began.Add(time.Hour)}, nil, false},
		"idle, in a tenant's bucket":         {"ac-1", ws, nil, true},
		"a task that has not begun":          {"", waiting, nil, true},
		"a copy under way":                   {"", copying, nil, false},
		"a copy under way, and a VM":         {"", copying, uploading("v"), false},
		"the VM's own":                       {"", ws, uploading("u"), false},
		"beside the VM's own":                {"", ws, uploading("v"), true},
		"a VM that makes no backup":          {"", ws, &dcm.VM{}, true},
	} {
		if why := dcm.StrayUpload("u", began, c.account, c.ws, c.vm); (why != "") != c.stray {
			t.Errorf("upload, %s: %q", name, why)
		}
	}
}

// TestReconcileAfter: every tenant has its own second of the hour.
func TestReconcileAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 34, 56, 789, time.UTC)
	minutes := map[int]int{}
	for i := range 6000 {
		tenant := dcm.TenantID("t" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
		at := dcm.ReconcileAfter(tenant, now)
		if !at.After(now) || at.Sub(now) > dcm.ReconcileInterval || !dcm.ReconcileAfter(tenant, at.Add(-time.Nanosecond)).Equal(at) ||
			!dcm.ReconcileAfter(tenant, at).Equal(at.Add(dcm.ReconcileInterval)) {
			t.Fatalf("%s: %v", tenant, at)
		}
		minutes[at.Minute()]++
	}
	for minute := range 60 {
		if n := minutes[minute]; n < 50 || n > 200 {
			t.Errorf("%d of 6000 in minute %d", n, minute)
		}
	}
}
