package dcm

import (
	"strings"
	"time"
)

// What is found at a service says itself whose it is: a server by its labels, a
// record by its comment, an upload by its key. These read that, and hold it to
// exactly the form we write. What they refuse is not ours to touch.

// ServerOwner reads a server's labels. ok is false unless they say that it is
// managed by us, for this very installation, and name a tenant and a VM.
func ServerOwner(installation string, labels map[string]string) (t TenantID, v VMID, ok bool) {
	t, v = TenantID(labels[LabelTenant]), VMID(labels[LabelVM])
	ours := VM{ID: v, TenantID: t}.OwnsServer(installation, labels)
	return t, v, ours && t.Valid() && v.Valid()
}

// DNSOwner reads a record's comment. ok is false unless it is the one that we
// write, on a record as we publish it: a VM's wildcard, the answer to a
// challenge for its certificate, or what a check made.
func DNSOwner(installation string, r DNSRecord) (t TenantID, v VMID, ok bool) {
	rest, ours := strings.CutPrefix(r.Comment, DNSCommentPrefix(installation))
	tenant, vm, whole := strings.Cut(rest, "/")
	t, v = TenantID(tenant), VMID(vm)
	if !ours || !whole || !t.Valid() || !v.Valid() {
		return t, v, false
	}
	switch r.Type {
	case "A", "AAAA":
		return t, v, strings.HasPrefix(r.Name, "*."+vm+".")
	case "TXT":
		return t, v, strings.HasPrefix(r.Name, ChallengeLabel+"."+vm+".") || strings.HasPrefix(r.Name, CheckLabel+"."+vm+".")
	}
	return t, v, false
}

// ChallengeLabel begins the name of a record that answers an ACME challenge.
const ChallengeLabel = "_acme-challenge"

// CheckLabel begins the name of a record that a check of a zone makes.
const CheckLabel = "_dcm-check"

// CheckPlace begins the place, after the tenant's name, where a check of a storage
// tries what it may do.
const CheckPlace = "dcm-check-"

// IsOfCheck reports whether an object's key is one that a check made. A check is
// over within a request: what is there later was left behind.
func IsOfCheck(key string) bool {
	_, rest, ok := strings.Cut(key, "/")
	return ok && strings.HasPrefix(rest, CheckPlace)
}

// UploadOwner reads an object's key. ok is false unless it is that of a backup,
// of a copy of one, or of a check, which has no workspace.
func UploadOwner(key string) (t TenantID, w WorkspaceID, ok bool) {
	tenant, rest, _ := strings.Cut(key, "/")
	if t := TenantID(tenant); t.Valid() && IsOfCheck(key) {
		return t, "", true
	}
	workspace, _, _ := strings.Cut(rest, "/")
	t, w = TenantID(tenant), WorkspaceID(workspace)
	if !t.Valid() || !w.Valid() {
		return t, w, false
	}
	return t, w, key == BackupKey(t, w) || key == BackupCopyKey(t, w)
}

// Why a thing is an orphan, in words for its tenant.
const (
	whyNoRecord  = "no VM with this id is on record"
	whyEnded     = "its VM has ended"
	whyOtherOne  = "its VM is another server"
	whyNoWS      = "its workspace does not exist"
	whyForgotten = "neither its workspace nor a VM that holds it knows of it"
	// WhyCheck is why what a check left behind is one.
	WhyCheck      = "a check of the storage began it and did not end"
	whyOtherOwner = "the VM that holds its workspace is making another backup"
)

// StrayServer says why nothing live owns a server found in an account, and ""
// if something may. vm is the record of the VM in its labels, nil for none.
//
// A record that is live keeps every server but one: one in the very account that
// the record names, while the record names another server there. Without a
// server's id its launch is under way, and finds its server by name. With
// another account the server may be what a human moved there, with work on it;
// it is an orphan once the record has ended.
func StrayServer(serverID, provider string, account AccountID, vm *VM) string {
	switch {
	case vm == nil:
		return whyNoRecord
	case !vm.Status.Active():
		return whyEnded
	case vm.Provider != provider || vm.AccountID != account:
		return ""
	case vm.ProviderID != "" && vm.ProviderID != serverID:
		return whyOtherOne
	}
	return ""
}

// StrayRecord is the same for a DNS record. A live VM owns every record that
// carries its comment.
func StrayRecord(vm *VM) string {
	switch {
	case vm == nil:
		return whyNoRecord
	case !vm.Status.Active():
		return whyEnded
	}
	return ""
}

// StrayUpload is the same for an unfinished upload. ws is the workspace in its
// key and vm the one that holds it, nil for none.
//
// A task notes its copy before it starts the upload, without the upload's id:
// every upload of a workspace with such a note may be that copy. A VM's upload
// is noted with its id, within one call of its start. In an account of a tenant
// an unknown workspace may be another installation's, which shares the bucket:
// what its key says is not enough there. An upload that began before its
// workspace did was dated by a clock that can't tell whether it is young.
func StrayUpload(uploadID string, began time.Time, account AccountID, ws *Workspace, vm *VM) string {
	switch {
	case ws != nil && began.Before(ws.CreatedAt.Add(-OrphanGrace)):
		return ""
	case ws == nil && account != PlatformAccount:
		return ""
	case ws == nil:
		return whyNoWS
	case ws.Task != nil && ws.Task.Upload != nil:
		return ""
	case vm == nil || vm.Upload == nil:
		return whyForgotten
	case vm.Upload.UploadID != uploadID:
		return whyOtherOwner
	}
	return ""
}

// Vanished names a live VM whose server an account did not list.
type Vanished struct {
	Tenant    TenantID
	VM        VMID
	Provider  string
	AccountID AccountID
}

// MayBe reports whether the VM should have a server in that account.
func (v Vanished) MayBe(vm VM) bool {
	return vm.Status.Active() && vm.ProviderID != "" && vm.Provider == v.Provider && vm.AccountID == v.AccountID
}
