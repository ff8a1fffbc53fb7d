package cloudinit

import (
	_ "embed" // the scripts and units
	"fmt"
)

var (
	//go:embed files/dcm-install.sh
	installScript string
	//go:embed files/dcm-packages.sh
	packagesScript string
	//go:embed files/dcm-metadata.sh
	metadataScript string
	//go:embed files/dcm-devcontainer.sh
	devcontainerScript string
	//go:embed files/dcm-devcontainer.service
	devcontainerService string
	//go:embed files/dcm-metadata.service
	metadataService string
	//go:embed files/dcm-agent.service
	agentService string
)

// Document is the part of cloud-config we use. Its field names are
// cloud-init's own.
type Document struct {
	WriteFiles        []File     `json:"write_files"`
	RunCmd            [][]string `json:"runcmd"`
	SSHAuthorizedKeys []string   `json:"ssh_authorized_keys,omitempty"`
	SSHPasswordAuth   bool       `json:"ssh_pwauth"`
	// DisableRoot is false so that the user's key opens root: the VM is the
	// user's, and has no other account.
	DisableRoot bool `json:"disable_root"`
	// One host key is enough, and an RSA key takes seconds on a small server.
	// Neither it nor the user's goes to the console and the journal.
	SSHKeyTypes    []string   `json:"ssh_genkeytypes"`
	NoFingerprints bool       `json:"no_ssh_fingerprints"`
	SSH            SSHOptions `json:"ssh"`
	// Upgrading packages would stand between the user and the workspace.
	PackageUpdate  bool `json:"package_update"`
	PackageUpgrade bool `json:"package_upgrade"`
}

// SSHOptions are cloud-init's further options for the SSH server.
type SSHOptions struct {
	EmitKeysToConsole bool `json:"emit_keys_to_console"`
}

// File is one file to write. Permissions is octal text.
type File struct {
	Path        string `json:"path"`
	Owner       string `json:"owner"`
	Permissions string `json:"permissions"`
	Content     string `json:"content"`
}

func newDocument(o Options) (Document, error) {
	config, err := encode(o.Agent)
	if err != nil {
		return Document{}, err
	}
	d := Document{
		WriteFiles: []File{
			rootFile(ConfigPath, "0600", config+"\n"),
			rootFile("/usr/local/lib/dcm/install", "0755", installScript),
			rootFile("/usr/local/lib/dcm/packages", "0755", packagesScript),
			rootFile("/usr/local/lib/dcm/metadata", "0755", metadataScript),
			rootFile("/etc/systemd/system/"+MetadataUnit, "0644", metadataService),
			rootFile("/etc/systemd/system/"+AgentUnit, "0644", agentService),
		},
		SSHKeyTypes: []string{"ed25519"}, NoFingerprints: true,
	}
	units := []string{MetadataUnit, AgentUnit}
	if o.Devcontainers {
		d.WriteFiles = append(d.WriteFiles,
			rootFile("/usr/local/lib/dcm/devcontainer", "0755", devcontainerScript),
			rootFile("/etc/systemd/system/"+DevcontainerUnit, "0644", devcontainerService))
		units = []string{MetadataUnit, DevcontainerUnit, AgentUnit}
	}
	// Enabling makes systemd read its units anew, which takes a third of a
	// second: once for all of them. Their order is in the units.
	d.RunCmd = [][]string{
		append([]string{"systemctl", "enable"}, units...),
		append([]string{"systemctl", "start", "--no-block"}, units...),
	}
	for _, download := range o.Downloads {
		d.WriteFiles = append(d.WriteFiles, downloadFiles(download)...)
	}
	if o.SSHPublicKey != "" {
		d.SSHAuthorizedKeys = []string{o.SSHPublicKey}
	}
	return d, nil
}

func downloadFiles(d Download) []File {
	return []File{
		rootFile(CurlConfigPath(d.Architecture), "0600", fmt.Sprintf("url = \"%s\"\n", d.URL.Reveal())),
		rootFile(DigestPath(d.Architecture), "0600", d.SHA256+"\n"),
	}
}

// CurlConfigPath is the file that names the agent's URL for an architecture.
func CurlConfigPath(architecture string) string {
	return ConfigDirectory + "/agent-" + architecture + ".curl"
}

// DigestPath is the file that holds the agent's SHA-256 for an architecture.
func DigestPath(architecture string) string {
	return ConfigDirectory + "/agent-" + architecture + ".sha256"
}

func rootFile(path, permissions, content string) File {
	return File{Path: path, Owner: "root:root", Permissions: permissions, Content: content}
}
