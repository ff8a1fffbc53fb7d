// Package cloudinit renders the user-data that turns a fresh server into one
// of our VMs: it leaves the agent's configuration, fetches the agent, closes
// the metadata addresses and starts the agent under systemd.
//
// The document is "#cloud-config" followed by JSON, which is YAML. It is made
// by encoding/json from values, never from text, and the scripts in it are
// constants that read their input from files: whatever a value contains, it
// stays a value.
package cloudinit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Header is the first line of the document.
const Header = "#cloud-config\n"

// Where the parts lie on the VM.
const (
	ConfigDirectory  = "/etc/dcm"
	ConfigPath       = ConfigDirectory + "/agent.json"
	AgentPath        = "/usr/local/bin/dcm-agent"
	AgentUnit        = "dcm-agent.service"
	MetadataUnit     = "dcm-metadata.service"
	DevcontainerUnit = "dcm-devcontainer.service"
)

// Options is everything that goes into the document.
type Options struct {
	// Agent is the agent's configuration. Its bootstrap token is the one
	// secret in the document that works for more than reading the agent.
	Agent dcm.AgentConfig
	// Downloads says where the agent is, at most once per architecture.
	Downloads []Download
	// SSHPublicKey is one line of authorized_keys; empty for none.
	SSHPublicKey string
	// Devcontainers has Docker and the dev container CLI installed before the
	// agent starts, where the image lacks them.
	Devcontainers bool
}

// Download is the agent for one architecture.
type Download struct {
	// Architecture is "amd64" or "arm64".
	Architecture string
	// URL is presigned, and so as good as the object it names.
	URL dcm.Secret
	// SHA256 is the agent's digest in lower-case hex.
	SHA256 string
}

// Render makes the document. It fails if it would exceed
// dcm.MaxUserDataBytes, or if a value could not reach the VM unchanged. No
// error text carries a secret.
func Render(o Options) (dcm.Secret, error) {
	if err := o.check(); err != nil {
		return dcm.Secret{}, fmt.Errorf("render user-data: %w", err)
	}
	document, err := newDocument(o)
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("render user-data: %w", err)
	}
	body, err := encode(document)
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("render user-data: %w", err)
	}
	text := Header + body
	if len(text) > dcm.MaxUserDataBytes {
		return dcm.Secret{}, fmt.Errorf("render user-data: it has %d bytes, and providers take at most %d",
			len(text), dcm.MaxUserDataBytes)
	}
	return dcm.NewSecret(text), nil
}

func (o Options) check() error {
	a := o.Agent
	for name, value := range map[string]string{
		"the API URL": a.APIURL, "the installation": a.Installation,
		"the VM id": string(a.VMID), "the bootstrap token": a.BootstrapToken,
	} {
		if value == "" {
			return fmt.Errorf("%s is missing", name)
		}
		// encoding/json would silently replace what is not UTF-8.
		if !utf8.ValidString(value) {
			return fmt.Errorf("%s is not UTF-8", name)
		}
	}
	if !utf8.ValidString(o.SSHPublicKey) || strings.ContainsAny(o.SSHPublicKey, "\r\n\x00") {
		return errors.New("the SSH public key is not one line of UTF-8")
	}
	return checkDownloads(o.Downloads)
}

func checkDownloads(downloads []Download) error {
	if len(downloads) == 0 {
		return errors.New("there is no agent to download")
	}
	seen := map[string]bool{}
	for _, d := range downloads {
		if d.Architecture != "amd64" && d.Architecture != "arm64" {
			return fmt.Errorf("no agent is made for architecture %q", d.Architecture)
		}
		if seen[d.Architecture] {
			return fmt.Errorf("two agents are named for %s", d.Architecture)
		}
		seen[d.Architecture] = true
		if b, err := hex.DecodeString(d.SHA256); err != nil || len(b) != 32 || strings.ToLower(d.SHA256) != d.SHA256 {
			return fmt.Errorf("the digest of the agent for %s is not a SHA-256 in lower-case hex", d.Architecture)
		}
		if !fitsCurl(d.URL.Reveal()) {
			return fmt.Errorf("the URL of the agent for %s is not a plain http or https URL", d.Architecture)
		}
	}
	return nil
}

// fitsCurl reports whether text is an absolute URL of the characters that RFC
// 3986 allows, none of which means anything in a curl configuration's quotes.
func fitsCurl(text string) bool {
	const allowed = "-._~:/?#[]@!$&'()*+,;=%"
	for _, c := range []byte(text) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune(allowed, rune(c)) {
			return false
		}
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
