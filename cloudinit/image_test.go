package cloudinit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func imageOptions(url string) cloudinit.ImageOptions {
	sum := sha256.Sum256([]byte(agent))
	return cloudinit.ImageOptions{
		Agent:     cloudinit.Download{Architecture: "arm64", URL: dcm.NewSecret(url), SHA256: hex.EncodeToString(sum[:])},
		BaseImage: "mcr.example.com/base:ubuntu",
	}
}

func TestImageDocument(t *testing.T) {
	t.Parallel()
	render := func(o cloudinit.ImageOptions) (string, error) {
		s, err := cloudinit.RenderImage(o)
		return s.Reveal(), err
	}
	text, err := render(imageOptions("https://b.example.com/agent?X-Amz-Signature=ab"))
	if err != nil || len(text) > dcm.MaxUserDataBytes {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	d := mustParse(t, text)
	for _, f := range d.WriteFiles {
		if strings.Contains(f.Content, "X-Amz") && f.Permissions != "0600" {
			t.Errorf("%s shows the agent's URL", f.Path)
		}
		// What stays must start nothing: a VM's own user-data does.
		if strings.Contains(f.Path, "dcm-agent.service") || strings.Contains(f.Content, "[Install]") {
			t.Errorf("%s would start by itself on every VM", f.Path)
		}
	}
	for name, spoil := range map[string]func(*cloudinit.ImageOptions){
		"an image that is an option":    func(o *cloudinit.ImageOptions) { o.BaseImage = "--help" },
		"an image with a blank":         func(o *cloudinit.ImageOptions) { o.BaseImage = "a b" },
		"no digest":                     func(o *cloudinit.ImageOptions) { o.Agent.SHA256 = "" },
		"an architecture without agent": func(o *cloudinit.ImageOptions) { o.Agent.Architecture = "riscv64" },
	} {
		o := imageOptions("https://b.example.com/agent")
		spoil(&o)
		if text, err := render(o); err == nil || text != "" {
			t.Errorf("rendered: %s", name)
		}
	}
}

// TestImageRecipe: it changes with what is in the image, and not with the URL,
// which is another one each time.
func TestImageRecipe(t *testing.T) {
	t.Parallel()
	recipe := func(change func(*cloudinit.ImageOptions)) string {
		o := imageOptions("https://b.example.com/agent?X-Amz-Signature=ab")
		change(&o)
		r, err := cloudinit.ImageRecipe(o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := recipe(func(*cloudinit.ImageOptions) {})
	if again := recipe(func(o *cloudinit.ImageOptions) { o.Agent.URL = dcm.NewSecret("https://b.example.com/x") }); again != first {
		t.Error("another URL is another recipe")
	}
	for name, change := range map[string]func(*cloudinit.ImageOptions){
		"another agent":        func(o *cloudinit.ImageOptions) { o.Agent.SHA256 = strings.Repeat("ab", 32) },
		"another architecture": func(o *cloudinit.ImageOptions) { o.Agent.Architecture = "amd64" },
		"another base image":   func(o *cloudinit.ImageOptions) { o.BaseImage = "" },
	} {
		if recipe(change) == first {
			t.Errorf("%s is the same recipe", name)
		}
	}
}

// workshop is a server that makes an image of itself: what it runs beyond its own
// scripts is written down, and nothing but that is on its PATH.
type workshop struct{ root, bin, calls string }

func newWorkshop(t *testing.T, url string, failing string) workshop {
	t.Helper()
	dir := t.TempDir()
	w := workshop{root: dir + "/root", bin: dir + "/bin", calls: dir + "/calls"}
	text, err := cloudinit.RenderImage(imageOptions(url))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range mustParse(t, text.Reveal()).WriteFiles {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(f.Content, "#!") {
			mode = 0o755
		}
		mustWrite(t, w.root+f.Path, f.Content, mode)
	}
	for _, name := range []string{
		"etc/ssh/ssh_host_ed25519_key", "etc/netplan/50-cloud-init.yaml", "root/.ssh/authorized_keys", "var/lib/cloud/instance/user-data.txt",
		"var/log/cloud-init-output.log", "var/log/journal/0123/system.journal", "tmp/left", "var/lib/systemd/random-seed", "var/lib/docker/engine-id",
	} {
		mustWrite(t, filepath.Join(w.root, name), "this machine's own", 0o600)
	}
	mustWrite(t, w.root+"/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444)
	mustWrite(t, w.root+"/usr/local/bin/devcontainer", "kept", 0o755)
	for _, tool := range []string{"sh", "rm", "find", "cat", "mkdir", "chmod", "mv", "curl", "sha256sum"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("the image's test needs %s", tool)
		}
		if err := os.MkdirAll(w.bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(w.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, w.bin+"/uname", "#!/bin/sh\necho aarch64\n", 0o755)
	for _, name := range []string{"apt-get", "npm", "docker", "cloud-init", "journalctl", "passwd", "systemctl", "sync", "sleep"} {
		mustWrite(t, filepath.Join(w.bin, name), "#!/bin/sh\necho \""+name+" $*\" >>"+w.calls+"\n[ "+name+" != '"+failing+"' ]\n", 0o755)
	}
	return w
}

func (w workshop) run(t *testing.T) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", w.root+"/usr/local/lib/dcm-image/build", w.root)
	cmd.Env = []string{"PATH=" + w.bin}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	calls, _ := os.ReadFile(w.calls) // not there if nothing was called
	return string(calls), err
}

func TestImageIsFilledAndClean(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(agent)) }))
	t.Cleanup(s.Close)
	t.Run("all is in it, and it powers off last", func(t *testing.T) {
		t.Parallel()
		w := newWorkshop(t, s.URL+"/agent", "")
		calls, err := w.run(t)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(calls), "\n")
		if lines[len(lines)-1] != "systemctl --no-block poweroff" {
			t.Errorf("the last it does is %s", lines[len(lines)-1])
		}
		for _, want := range []string{"npm install --global", "docker pull --quiet mcr.example.com/base:ubuntu\n", "cloud-init clean", "passwd --quiet --lock root"} {
			if !strings.Contains(calls, want) {
				t.Errorf("it did not call %q:\n%s", want, calls)
			}
		}
		if b, _ := os.ReadFile(w.root + "/usr/local/bin/dcm-agent"); string(b) != agent {
			t.Errorf("the agent is %q", b)
		}
		if b, err := os.ReadFile(w.root + "/etc/machine-id"); err != nil || len(b) != 0 {
			t.Errorf("the machine's id is %q, %v", b, err)
		}
		var left []string
		_ = filepath.WalkDir(w.root, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				left = append(left, strings.TrimPrefix(path, w.root))
			}
			return err
		})
		if got, want := strings.Join(left, " "), "/etc/machine-id /usr/local/bin/dcm-agent /usr/local/bin/devcontainer"; got != want {
			t.Errorf("in it is left\n%s\nwant\n%s", got, want)
		}
	})
	for _, failing := range []string{"docker", "npm", "cloud-init", "passwd"} {
		t.Run("it stays on if it fails at "+failing, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t, s.URL+"/agent", failing)
			calls, err := w.run(t)
			if err == nil || strings.Contains(calls, "poweroff") {
				t.Errorf("%v after\n%s", err, calls)
			}
		})
	}
	t.Run("it stays on without its agent", func(t *testing.T) {
		t.Parallel()
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("another")) }))
		t.Cleanup(other.Close)
		w := newWorkshop(t, other.URL+"/agent", "")
		if calls, err := w.run(t); err == nil || strings.Contains(calls, "poweroff") {
			t.Errorf("%v after\n%s", err, calls)
		}
	})
}
