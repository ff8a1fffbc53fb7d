package guest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/web"
)

// gitHost is where repositories lie, for guests, registryHost where images and
// features do.
const (
	gitHost      = "git.example.com"
	registryHost = "registry.example.com"
)

// mustPublish makes a bare repository one that guests can clone, and returns its
// URL.
func mustPublish(t *testing.T, bare string) string {
	t.Helper()
	url, err := web.Publish(bare, gitHost)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func mustGit(t *testing.T, words ...string) {
	t.Helper()
	c := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"}, words...)...)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", words, err, out)
	}
}

// key is an SSH key: the file of its private half, and its public half.
type key struct{ file, public string }

func mustKey(t *testing.T) key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "someone@example.com", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return key{file, string(public[:len(public)-1])}
}
