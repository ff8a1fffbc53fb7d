package cloudinit_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func options() cloudinit.Options {
	return cloudinit.Options{
		Agent: dcm.AgentConfig{
			APIURL: "https://api.example.com", Installation: "prod", VMID: "vm-k3j9x2m4qa", BootstrapToken: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
		},
		Downloads: []cloudinit.Download{
			{Architecture: "amd64", URL: dcm.NewSecret("https://b.s3.eu-central-1.amazonaws.com/agents/1/amd64?X-Amz-Signature=ab&x=%2F"), SHA256: strings.Repeat("a1", 32)},
			{Architecture: "arm64", URL: dcm.NewSecret("https://b.s3.eu-central-1.amazonaws.com/agents/1/arm64?X-Amz-Signature=cd"), SHA256: strings.Repeat("b2", 32)},
		},
		SSHPublicKey:  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 someone@example.com",
		Devcontainers: true,
	}
}

func mustRender(t *testing.T, o cloudinit.Options) string {
	t.Helper()
	s, err := cloudinit.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

func TestDocument(t *testing.T) {
	t.Parallel()
	const golden = "testdata/user-data.golden"
	got := mustRender(t, options())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("the document differs from its golden file; look at the difference, then run with -update")
	}
}

func TestAgentConfiguration(t *testing.T) {
	t.Parallel()
	o := options()
	d := mustParse(t, mustRender(t, o))
	file := d.WriteFiles[0]
	if file.Path != "/etc/dcm/agent.json" || file.Permissions != "0600" || file.Owner != "root:root" {
		t.Errorf("the configuration is %s, %s, %s", file.Path, file.Permissions, file.Owner)
	}
	var got dcm.AgentConfig
	if err := json.Unmarshal([]byte(file.Content), &got); err != nil || got != o.Agent {
		t.Errorf("the agent reads %+v (%v)", got, err)
	}
}

func TestDevcontainersAreOptional(t *testing.T) {
	t.Parallel()
	o := options()
	o.Devcontainers = false
	if text := mustRender(t, o); strings.Contains(text, "@devcontainers/cli") {
		t.Error("the CLI is installed though nobody asked for it")
	}
	commands := mustParse(t, mustRender(t, options())).RunCmd
	for _, c := range commands {
		if !slices.Equal(c[len(c)-3:], []string{cloudinit.MetadataUnit, cloudinit.DevcontainerUnit, cloudinit.AgentUnit}) {
			t.Errorf("not every unit is named, the agent last: %v", c)
		}
	}
}

func TestSecretsLieInPrivateFilesOnly(t *testing.T) {
	t.Parallel()
	o := options()
	d := mustParse(t, mustRender(t, o))
	secrets := []string{o.Agent.BootstrapToken, o.Downloads[0].URL.Reveal(), o.Downloads[1].URL.Reveal()}
	found := 0
	for _, f := range d.WriteFiles {
		for _, s := range secrets {
			if !strings.Contains(f.Content, s) {
				continue
			}
			found++
			if f.Permissions != "0600" {
				t.Errorf("%s holds a secret with mode %s", f.Path, f.Permissions)
			}
		}
	}
	if found != len(secrets) {
		t.Errorf("%d of %d secrets reach the VM", found, len(secrets))
	}
	if cmd, _ := json.Marshal(d.RunCmd); strings.Contains(string(cmd), "eyJ") || strings.Contains(string(cmd), "X-Amz") {
		t.Error("a command carries a secret")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*cloudinit.Options){
		"no token":                     func(o *cloudinit.Options) { o.Agent.BootstrapToken = "" },
		"no API":                       func(o *cloudinit.Options) { o.Agent.APIURL = "" },
		"not UTF-8":                    func(o *cloudinit.Options) { o.Agent.Installation = "a\xff" },
		"no download":                  func(o *cloudinit.Options) { o.Downloads = nil },
		"an unknown architecture":      func(o *cloudinit.Options) { o.Downloads[0].Architecture = "riscv64" },
		"one architecture twice":       func(o *cloudinit.Options) { o.Downloads[0].Architecture = "arm64" },
		"a short digest":               func(o *cloudinit.Options) { o.Downloads[0].SHA256 = "ab" },
		"an upper-case digest":         func(o *cloudinit.Options) { o.Downloads[0].SHA256 = strings.Repeat("AB", 32) },
		"a file URL":                   func(o *cloudinit.Options) { o.Downloads[0].URL = dcm.NewSecret("file:///etc/passwd") },
		"a URL that ends its quotes":   func(o *cloudinit.Options) { o.Downloads[0].URL = dcm.NewSecret("https://a/\"\noutput = \"/etc/x") },
		"a URL with a backslash":       func(o *cloudinit.Options) { o.Downloads[0].URL = dcm.NewSecret(`https://a/\n`) },
		"a key of two lines":           func(o *cloudinit.Options) { o.SSHPublicKey = "ssh-rsa A\nssh-rsa B" },
		"more than the provider takes": func(o *cloudinit.Options) { o.Agent.BootstrapToken = strings.Repeat("x", 32<<10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			spoil(&o)
			got, err := cloudinit.Render(o)
			if err == nil || !got.IsZero() {
				t.Fatal("it was rendered")
			}
			for _, secret := range []string{options().Agent.BootstrapToken, "X-Amz", "/etc/passwd", "xxxx"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestRoomForLongPresignedURLs(t *testing.T) {
	t.Parallel()
	o := options()
	for i := range o.Downloads {
		o.Downloads[i].URL = dcm.NewSecret("https://b.example.com/agent?X-Amz-Security-Token=" + strings.Repeat("A", 2500))
	}
	o.Agent.BootstrapToken = strings.Repeat("t", 1000)
	o.SSHPublicKey = "ssh-rsa " + strings.Repeat("B", 4000)
	if n := len(mustRender(t, o)); n > dcm.MaxUserDataBytes*3/4 {
		t.Errorf("the document has %d bytes", n)
	}
}
