package cloud

import (
	"context"
	"fmt"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// userData renders what a server boots with. The agent's URLs are presigned
// anew for each server, and live as long as its bootstrap token.
func userData(a *app.App) func(context.Context, lifecycle.Boot) (dcm.Secret, error) {
	store := objects.Storage(a)
	return func(ctx context.Context, b lifecycle.Boot) (dcm.Secret, error) {
		o := cloudinit.Options{Agent: b.Agent, SSHPublicKey: b.SSHPublicKey, Devcontainers: a.Config.Runtime == "devcontainer"}
		architectures := make([]string, 0, len(a.Config.AgentSHA256))
		for arch := range a.Config.AgentSHA256 {
			architectures = append(architectures, arch)
		}
		slices.Sort(architectures)
		for _, arch := range architectures {
			key := AgentKey(a.Config.AgentKeyPrefix, arch)
			url, err := store.PresignRead(ctx, dcm.Bucket{Name: a.Config.BucketName}, key, "", dcm.BootstrapTokenLife)
			if err != nil {
				return dcm.Secret{}, fmt.Errorf("presign the agent for %s: %w", arch, err)
			}
			o.Downloads = append(o.Downloads, cloudinit.Download{Architecture: arch, URL: url, SHA256: a.Config.AgentSHA256[arch]})
		}
		return cloudinit.Render(o)
	}
}

// AgentKey is where the agent's binary for an architecture lies in the bucket.
func AgentKey(prefix, architecture string) string { return prefix + "dcm-agent-linux-" + architecture }
