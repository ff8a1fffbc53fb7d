// Package prepared makes the images that VMs boot fastest from: snapshots, in the
// platform's Hetzner project, of a server that has installed all that a VM needs.
//
// A run may crash or be killed at any call. What it leaves carries labels by which
// the next run finds it: a snapshot that is done is used, a server that made one
// is deleted. One run works at a time; a second one deletes the server of the
// first, which then says so and ends.
package prepared

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// provider is Hetzner's name in the record.
const provider = "hetzner"

// Limits of one run. Within builderLife nothing takes its server for a leftover.
const (
	builderLife   = 2 * time.Hour
	fillTimeout   = 40 * time.Minute
	snapTimeout   = 40 * time.Minute
	deleteTimeout = 10 * time.Minute
	pollInterval  = 10 * time.Second
	cleanTimeout  = 2 * time.Minute
)

// Workshop is what images are made with.
type Workshop struct {
	Cloud        *hcloud.Client
	Record       Record
	Installation string
	Clock        dcm.Clock
	// Sleep waits; an error is the context's.
	Sleep func(context.Context, time.Duration) error
	// NewID makes a name that no other run has.
	NewID func() (string, error)
	// Out is told what happens, a line each.
	Out io.Writer
	// Keep is how many images per architecture a clean-up leaves at least.
	Keep int
}

// Record keeps which images launches boot.
type Record interface {
	// Read returns an empty record if there is none.
	Read(context.Context) (dcm.ImageRecord, error)
	Write(context.Context, dcm.ImageRecord) error
}

func (w *Workshop) say(format string, args ...any) {
	// Who reads along may have left.
	_, _ = fmt.Fprintf(w.Out, "%s  "+format+"\n", append([]any{w.Clock.Now().UTC().Format(time.TimeOnly)}, args...)...)
}

// ours is the label selector of the images and servers in a role.
func (w *Workshop) ours(role string) string {
	return fmt.Sprintf("%s==%s,%s==%s,%s==%s", dcm.LabelManagedBy, dcm.ManagedBy, dcm.LabelInstallation, w.Installation, dcm.LabelRole, role)
}

// isImage reports whether an image is one that a run of this installation made.
func (w *Workshop) isImage(i *hcloud.Image) bool {
	return i.Type == hcloud.ImageTypeSnapshot && i.Labels[dcm.LabelManagedBy] == dcm.ManagedBy &&
		i.Labels[dcm.LabelInstallation] == w.Installation && i.Labels[dcm.LabelRole] == dcm.RoleImage
}
