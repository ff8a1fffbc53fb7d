package prepared

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Recipe says what is to be in an image.
type Recipe struct {
	cloudinit.ImageOptions
	// ServerImage is the provider's own image that it begins with.
	ServerImage string
	// SSHKeyID is the project's key for the server; 0 for none.
	SSHKeyID int64
}

// Labels of an image, beside those that say whose it is.
const (
	labelRecipe  = "recipe"
	labelAgent   = "agent"
	labelCreated = "created"
	// labelBuild is also on the server that the image was made on.
	labelBuild = "build"
)

// digest is the recipe in a label's length.
func (r Recipe) digest() (string, error) {
	document, err := cloudinit.ImageRecipe(r.ImageOptions)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(r.ServerImage + "\n" + document))
	return hex.EncodeToString(sum[:16]), nil
}

// architecture is Hetzner's word for it.
func (r Recipe) architecture() (hcloud.Architecture, error) {
	switch r.Agent.Architecture {
	case "amd64":
		return hcloud.ArchitectureX86, nil
	case "arm64":
		return hcloud.ArchitectureARM, nil
	default:
		return "", fmt.Errorf("no servers for %q are sold at Hetzner", r.Agent.Architecture)
	}
}

// job is one image to be made.
type job struct {
	Recipe
	arch   hcloud.Architecture
	digest string
	// fresh asks for another image although there is one of this recipe.
	fresh bool
	types []*hcloud.ServerType
	build string
}

func (w *Workshop) imageLabels(j job) map[string]string {
	return map[string]string{
		dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: w.Installation, dcm.LabelRole: dcm.RoleImage,
		labelRecipe: j.digest, labelAgent: j.Agent.SHA256[:16], labelBuild: j.build, labelCreated: fmt.Sprint(w.Clock.Now().Unix()),
	}
}
