package api_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestOrphanBuilders: a server that an image is made on is no VM and no orphan
// while it works. One that a crash left is pointed out, and not deleted as a VM
// is; the label protects nothing that says it is a VM.
func TestOrphanBuilders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	builder := w.serverWith(platformToken, "dcm-image-a", dcm.BuilderLabels(installation, time.Now().Add(2*time.Hour)))
	disguised := labels("acme", "vm-aaaaaaaaaa")
	disguised[dcm.LabelRole] = dcm.RoleBuilder
	doomed := w.serverWith(platformToken, "dcm-vm-aaaaaaaaaa", disguised)
	w.old()
	if report := w.sweepOrphans(); report.Unclear != 0 || report.Removed != 1 || !w.has(builder) || w.has(doomed) {
		t.Errorf("%+v", report)
	}
	w.advance(2 * time.Hour)
	if report := w.sweepOrphans(); report.Unclear != 1 || report.Removed != 0 || !w.has(builder) {
		t.Errorf("once its time is over: %+v", report)
	}
}
