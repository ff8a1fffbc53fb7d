package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// content is what the sample backup holds.
const content = "a small workspace\n"

// publicKey is the base64 of 32 bytes, as an agent's Ed25519 key is.
func publicKey(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func (s *scene) launch(ctx context.Context) error {
	return s.step(ctx, "vms-create", map[string]string{"id": "vm.id", "workspaceId": "vm.workspaceId"})
}

// readUserData finds the bootstrap token where the agent finds it.
func (s *scene) readUserData(ctx context.Context) error {
	id, err := s.value(ctx, "vm.id")
	if err != nil {
		return err
	}
	text, ok := s.player.UserData(dcm.VMID(id).ServerName())
	if !ok {
		return fmt.Errorf("no server of %s was booted", id)
	}
	var document cloudinit.Document
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "#cloud-config\n")), &document); err != nil {
		return fmt.Errorf("read user-data: %w", err)
	}
	for _, file := range document.WriteFiles {
		if file.Path != cloudinit.ConfigPath {
			continue
		}
		var config dcm.AgentConfig
		if err := json.Unmarshal([]byte(file.Content), &config); err != nil {
			return fmt.Errorf("read the agent's configuration: %w", err)
		}
		s.values["vm.bootstrapToken"] = config.BootstrapToken
	}
	return nil
}

func (s *scene) describeBackup() error {
	if err := s.seal(); err != nil {
		return err
	}
	sum := sha256.Sum256(s.sealed)
	parts := sha256.Sum256(sum[:])
	s.values["backup.size"] = strconv.Itoa(len(s.sealed))
	s.values["backup.sha256"] = hex.EncodeToString(sum[:])
	s.values["backup.partsSha256"] = hex.EncodeToString(parts[:])
	return nil
}

// seal encrypts the backup to the workspace's key, as an agent does. Where none
// was ever begun, nobody will look inside.
func (s *scene) seal() error {
	recipient, known := s.values["backup.recipient"]
	if !known {
		s.sealed = []byte(content)
		return nil
	}
	key, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return fmt.Errorf("read the recipient: %w", err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, key)
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	s.sealed = out.Bytes()
	return nil
}

// upload puts the backup's one part where the control plane says.
func (s *scene) upload(ctx context.Context) error {
	if err := s.step(ctx, "vms-backup-parts", nil); err != nil {
		return err
	}
	var answer dcm.BackupPartURLs
	if err := json.Unmarshal(s.played["vms-backup-parts"], &answer); err != nil || len(answer.Parts) != 1 {
		return fmt.Errorf("read the part's URL (%d parts): %w", len(answer.Parts), err)
	}
	part := answer.Parts[0]
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, part.URL, bytes.NewReader(s.sealed))
	if err != nil {
		return fmt.Errorf("make the upload: %w", err)
	}
	for name, value := range part.Headers {
		r.Header.Set(name, value)
	}
	client := s.player.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("upload: the storage answers %s", response.Status)
	}
	s.values["backup.uploadedSize"] = strconv.Itoa(len(s.sealed))
	return nil
}
