package dcm

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// PreparedImages are a provider's images that hold what a VM needs, by the server
// types that boot them: an image is of one architecture, and needs as large a
// disk as it was made on. A type that is missing has none.
type PreparedImages map[string]string

// Images knows the prepared images of the platform's accounts. A tenant's own
// account can't see them.
type Images interface {
	// Prepared returns a provider's images. It does not fail: a launch without
	// one boots the provider's own image, and takes longer.
	Prepared(ctx context.Context, provider string) PreparedImages
	// Refused says that the provider does not boot an image any more.
	Refused(image string)
}

// ImageRecord is what was recorded of all prepared images, by provider.
type ImageRecord map[string]PreparedImages

// ParseImageRecord reads a record. An empty text is an empty record.
func ParseImageRecord(text string) (ImageRecord, error) {
	r := ImageRecord{}
	if text == "" {
		return r, nil
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("read the record of prepared images: %w", err)
	}
	return r, nil
}

// String is the record as ParseImageRecord reads it.
func (r ImageRecord) String() string {
	// Maps of strings always marshal, in the order of their keys.
	b, _ := json.Marshal(map[string]PreparedImages(r))
	return string(b)
}

// ImageRecordParameter names the SSM parameter that holds an installation's record.
func ImageRecordParameter(installation string) string {
	return "/devcontainer-manager/" + installation + "/server-images"
}

// LabelRole tells what makes prepared images, and the images, from VMs, which
// have no such label.
const (
	LabelRole   = "role"
	RoleBuilder = "image-builder"
	RoleImage   = "image"
)

// BuilderLabels are the labels of a server that a prepared image is made on. It
// is meant to be gone by then.
func BuilderLabels(installation string, expires time.Time) map[string]string {
	return map[string]string{
		LabelManagedBy: ManagedBy, LabelInstallation: installation, LabelRole: RoleBuilder, LabelExpiresAt: epochText(expires),
	}
}

// IsBuilder reports whether a server with these labels makes an image for this
// very installation, and names no VM.
func IsBuilder(installation string, labels map[string]string) bool {
	return labels[LabelManagedBy] == ManagedBy && labels[LabelInstallation] == installation &&
		labels[LabelRole] == RoleBuilder && labels[LabelTenant] == "" && labels[LabelVM] == ""
}

// IsWorkingBuilder reports the same, and that its time is not over.
func IsWorkingBuilder(installation string, labels map[string]string, now time.Time) bool {
	expires, err := strconv.ParseInt(labels[LabelExpiresAt], 10, 64)
	return err == nil && IsBuilder(installation, labels) && now.Before(time.Unix(expires, 0))
}
