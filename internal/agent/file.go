package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// writeFile replaces a file so that after a crash it is either the old or the
// new one, whole. It is readable for the agent alone.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readConfig reads what user-data left. The text of an error never holds the
// token.
func readConfig(path string) (dcm.AgentConfig, error) {
	var c dcm.AgentConfig
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read the configuration: %w", err)
	}
	if json.Unmarshal(b, &c) != nil {
		return c, fmt.Errorf("read the configuration: %s is not the JSON of one", path)
	}
	if c.APIURL == "" || !c.VMID.Valid() {
		return c, fmt.Errorf("read the configuration: %s names no API or no VM", path)
	}
	return c, nil
}

// forgetToken takes the used bootstrap token off the disk.
func forgetToken(path string, c dcm.AgentConfig) error {
	c.BootstrapToken = ""
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

// publicKey returns the public half of the VM's own key, making it at the
// first call. It has to stay the same: the bootstrap token is bound to it.
func publicKey(path string) (string, error) {
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(seed) // never fails
		err = writeFile(path, seed)
	}
	if err != nil {
		return "", fmt.Errorf("keep the VM's key: %w", err)
	}
	if len(seed) != ed25519.SeedSize {
		return "", fmt.Errorf("keep the VM's key: %s is damaged", path)
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return base64.StdEncoding.EncodeToString(public), nil
}
