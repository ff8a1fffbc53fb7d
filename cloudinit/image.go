package cloudinit

import (
	"crypto/sha256"
	_ "embed" // the script and unit
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

var (
	//go:embed files/dcm-image.sh
	imageScript string
	//go:embed files/dcm-image.service
	imageService string
)

// Where the parts lie while an image is made; none of them stays in it.
const (
	imageTools    = "/usr/local/lib/dcm-image"
	imageDownload = "/etc/dcm-image"
	imageUnit     = "dcm-image.service"
)

// ImageOptions is what a prepared image holds beside what every VM needs.
type ImageOptions struct {
	// Agent is the agent for the image's architecture. VMs use it without a
	// download if it is the one that they are told of.
	Agent Download
	// BaseImage is the container image that is pulled ahead; "" for none.
	BaseImage string
}

// RenderImage makes the document of a server that turns itself into a prepared
// image: it installs what VMs would, with the same scripts, removes what is one
// machine's own, and powers off. If it fails, it stays on.
func RenderImage(o ImageOptions) (dcm.Secret, error) {
	if err := checkDownloads([]Download{o.Agent}); err != nil {
		return dcm.Secret{}, fmt.Errorf("render an image's user-data: %w", err)
	}
	if strings.ContainsFunc(o.BaseImage, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.HasPrefix(o.BaseImage, "-") {
		return dcm.Secret{}, fmt.Errorf("render an image's user-data: %q is not the name of a container image", o.BaseImage)
	}
	d := Document{
		WriteFiles: []File{
			rootFile(imageTools+"/build", "0755", imageScript),
			rootFile(imageTools+"/packages", "0755", packagesScript),
			rootFile(imageTools+"/devcontainer", "0755", devcontainerScript),
			rootFile(imageTools+"/install", "0755", installScript),
			rootFile(imageTools+"/base-image", "0644", o.BaseImage),
			rootFile("/etc/systemd/system/"+imageUnit, "0644", imageService),
		},
		SSHKeyTypes: []string{"ed25519"}, NoFingerprints: true,
		RunCmd: [][]string{{"systemctl", "start", "--no-block", imageUnit}},
	}
	for _, f := range downloadFiles(o.Agent) {
		f.Path = imageDownload + strings.TrimPrefix(f.Path, ConfigDirectory)
		d.WriteFiles = append(d.WriteFiles, f)
	}
	body, err := encode(d)
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("render an image's user-data: %w", err)
	}
	return dcm.NewSecret(Header + body), nil
}

// ImageRecipe is a digest of all that decides what is in the image: two with the
// same recipe differ only by what mirrors and registries had.
func ImageRecipe(o ImageOptions) (string, error) {
	o.Agent.URL = dcm.NewSecret("https://agent.invalid/")
	text, err := RenderImage(o)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text.Reveal()))
	return hex.EncodeToString(sum[:]), nil
}
