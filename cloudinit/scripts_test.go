package cloudinit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const agent = "#!/bin/sh\necho agent\n"

// install is a VM's file system with the installer's input, and commands of
// its own in front of the machine's: uname says arm64, sleep does not sleep.
type install struct {
	config, target, bin string
}

func newInstall(t *testing.T, url string) install {
	t.Helper()
	for _, tool := range []string{"sh", "curl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the installer's test needs %s", tool)
		}
	}
	dir := t.TempDir()
	v := install{config: dir + "/etc", target: dir + "/usr/bin/dcm-agent", bin: dir + "/bin"}
	o := options()
	sum := sha256.Sum256([]byte(agent))
	o.Downloads[1].URL, o.Downloads[1].SHA256 = dcm.NewSecret(url), hex.EncodeToString(sum[:])
	for _, f := range mustParse(t, mustRender(t, o)).WriteFiles {
		if strings.HasPrefix(f.Path, "/etc/dcm/") || strings.HasSuffix(f.Path, "/install") {
			mustWrite(t, filepath.Join(v.config, filepath.Base(f.Path)), f.Content, 0o644)
		}
	}
	mustWrite(t, v.bin+"/uname", "#!/bin/sh\necho aarch64\n", 0o755)
	mustWrite(t, v.bin+"/sleep", "#!/bin/sh\n", 0o755)
	return v
}

func mustWrite(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (v install) run(t *testing.T) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", v.config+"/install", v.config, v.target)
	cmd.Env = []string{"PATH=" + v.bin + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return err
}

func TestInstaller(t *testing.T) {
	t.Parallel()
	// serve answers the nth request (from 1) with what reply writes.
	serve := func(t *testing.T, reply func(n int32, w http.ResponseWriter)) (string, *atomic.Int32) {
		var n atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(n.Add(1), w) }))
		t.Cleanup(s.Close)
		return s.URL + "/agent?X-Amz-Signature=a%2Fb&c=[1]", &n
	}
	good := func(w http.ResponseWriter) { _, _ = w.Write([]byte(agent)) }

	t.Run("installs the agent, once", func(t *testing.T) {
		t.Parallel()
		url, n := serve(t, func(_ int32, w http.ResponseWriter) { good(w) })
		v := newInstall(t, url)
		for range 2 {
			if err := v.run(t); err != nil {
				t.Fatal(err)
			}
		}
		if got := n.Load(); got != 1 {
			t.Errorf("it downloaded %d times", got)
		}
		info, err := os.Stat(v.target)
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("the agent is %v, %v", info, err)
		}
	})
	t.Run("tries again after errors and cut or changed bodies", func(t *testing.T) {
		t.Parallel()
		url, n := serve(t, func(n int32, w http.ResponseWriter) {
			switch n {
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 2:
				w.Header().Set("Content-Length", "1000")
				good(w)
			case 3:
				_, _ = w.Write([]byte(agent + "more"))
			default:
				good(w)
			}
		})
		v := newInstall(t, url)
		if err := v.run(t); err != nil || n.Load() != 4 {
			t.Errorf("after %d downloads: %v", n.Load(), err)
		}
	})
	t.Run("never installs what has another digest", func(t *testing.T) {
		t.Parallel()
		url, _ := serve(t, func(_ int32, w http.ResponseWriter) { _, _ = w.Write([]byte("something else")) })
		v := newInstall(t, url)
		if err := v.run(t); err == nil {
			t.Error("it succeeded")
		}
		left, _ := filepath.Glob(filepath.Dir(v.target) + "/*")
		if len(left) != 0 {
			t.Errorf("it left %v", left)
		}
	})
	t.Run("uses the agent of a prepared image, if it is the one that is wanted", func(t *testing.T) {
		t.Parallel()
		url, n := serve(t, func(_ int32, w http.ResponseWriter) { good(w) })
		v := newInstall(t, url)
		mustWrite(t, v.target, agent, 0o755)
		if err := v.run(t); err != nil || n.Load() != 0 {
			t.Errorf("after %d downloads: %v", n.Load(), err)
		}
	})
	t.Run("downloads the wanted agent where a prepared image has another", func(t *testing.T) {
		t.Parallel()
		url, n := serve(t, func(_ int32, w http.ResponseWriter) { good(w) })
		v := newInstall(t, url)
		mustWrite(t, v.target, "#!/bin/sh\necho last month\n", 0o755)
		if err := v.run(t); err != nil || n.Load() != 1 {
			t.Errorf("after %d downloads: %v", n.Load(), err)
		}
		if b, _ := os.ReadFile(v.target); string(b) != agent {
			t.Errorf("the agent is %q", b)
		}
	})
	t.Run("replaces a damaged agent", func(t *testing.T) {
		t.Parallel()
		url, _ := serve(t, func(_ int32, w http.ResponseWriter) { good(w) })
		v := newInstall(t, url)
		mustWrite(t, v.target, "damaged", 0o755)
		if err := v.run(t); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(v.target); string(b) != agent {
			t.Errorf("the agent is %q", b)
		}
	})
}

func TestScriptsParse(t *testing.T) {
	t.Parallel()
	scripts := 0
	for _, f := range mustParse(t, mustRender(t, options())).WriteFiles {
		if !strings.HasPrefix(f.Content, "#!") {
			continue
		}
		scripts++
		for _, checker := range [][]string{{"sh", "-n"}, {"shellcheck", "--shell=sh", "-"}} {
			if _, err := exec.LookPath(checker[0]); err != nil {
				t.Logf("%s is not here", checker[0])
				continue
			}
			cmd := exec.CommandContext(t.Context(), checker[0], checker[1:]...)
			cmd.Stdin = strings.NewReader(f.Content)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %s", f.Path, checker[0], out)
			}
		}
	}
	if scripts != 4 {
		t.Errorf("there are %d scripts", scripts)
	}
}

// TestScriptsAreConstants: two VMs with nothing in common have the same
// scripts, units and commands.
func TestScriptsAreConstants(t *testing.T) {
	t.Parallel()
	other := options()
	other.Agent = dcm.AgentConfig{APIURL: "https://other", Installation: "i", VMID: "vm-2222222222", BootstrapToken: "x"}
	other.SSHPublicKey = "ssh-rsa BBBB"
	for i := range other.Downloads {
		other.Downloads[i] = cloudinit.Download{
			Architecture: other.Downloads[i].Architecture, URL: dcm.NewSecret("https://elsewhere/a"), SHA256: strings.Repeat("00", 32),
		}
	}
	constant := func(o cloudinit.Options) string {
		d := mustParse(t, mustRender(t, o))
		d.SSHAuthorizedKeys = nil
		for i, f := range d.WriteFiles {
			if strings.HasPrefix(f.Path, cloudinit.ConfigDirectory+"/") {
				d.WriteFiles[i].Content = ""
			}
		}
		return mustJSON(t, d)
	}
	if constant(options()) != constant(other) {
		t.Error("a script, unit or command depends on a value")
	}
}

// TestOnlyWhatIsMissingIsInstalled runs the two scripts that install packages
// on machines that have some of the commands. Their apt-get and npm only write
// down their last words.
func TestOnlyWhatIsMissingIsInstalled(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	scripts := map[string]string{}
	for _, f := range mustParse(t, mustRender(t, options())).WriteFiles {
		scripts[filepath.Base(f.Path)] = f.Content
	}
	for name, c := range map[string]struct {
		script string
		has    string   // commands, and with a + the package that Debian offers besides
		wanted []string // what must be installed, and nothing else of ours
	}{
		"a usual image":               {"packages", "curl git ssh", nil},
		"an image without git":        {"packages", "curl ssh", []string{"git"}},
		"an image without ssh":        {"packages", "curl git", []string{"openssh-client"}},
		"a prepared image":            {"devcontainer", "docker devcontainer", nil},
		"one without the CLI":         {"devcontainer", "docker npm", []string{"@devcontainers/cli"}},
		"one without Docker":          {"devcontainer", "devcontainer", []string{"docker.io", "docker-buildx"}},
		"Debian 13 without Docker":    {"devcontainer", "devcontainer +docker-cli", []string{"docker.io", "docker-buildx", "docker-cli", "docker-compose"}},
		"Ubuntu 24.04 without Docker": {"devcontainer", "devcontainer +docker-compose-v2", []string{"docker.io", "docker-buildx", "docker-compose-v2"}},
		"one with nothing but npm":    {"devcontainer", "npm", []string{"docker.io", "docker-buildx", "@devcontainers/cli"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
			for _, command := range strings.Fields(c.has) {
				if offered, ok := strings.CutPrefix(command, "+"); ok {
					mustWrite(t, filepath.Join(bin, "apt-cache"), "#!"+sh+"\n[ \"$2\" = "+offered+" ]\n", 0o755)
					continue
				}
				mustWrite(t, filepath.Join(bin, command), "#!"+sh+"\n", 0o755)
			}
			note := "#!" + sh + "\necho \"$@\" >>" + log + "\n"
			mustWrite(t, filepath.Join(bin, "apt-get"), note, 0o755)
			if strings.Contains(c.has, "npm") {
				mustWrite(t, filepath.Join(bin, "npm"), note, 0o755)
			}
			cmd := exec.CommandContext(t.Context(), sh, "-c", scripts[c.script])
			cmd.Env = []string{"PATH=" + bin}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			calls, _ := os.ReadFile(log) // not there if nothing was called
			for _, p := range []string{"git", "openssh-client", "docker.io", "docker-buildx", "docker-cli", "docker-compose", "docker-compose-v2", "@devcontainers/cli"} {
				installs := false
				for word := range strings.FieldsSeq(string(calls)) {
					installs = installs || word == p || strings.HasPrefix(word, p+"@")
				}
				if installs != slices.Contains(c.wanted, p) {
					t.Errorf("%s is installed: %v; the calls were\n%s", p, installs, calls)
				}
			}
			if len(c.wanted) == 0 && len(calls) > 0 && !strings.Contains(string(calls), "ca-certificates") {
				t.Errorf("something was called: %s", calls)
			}
		})
	}
}
