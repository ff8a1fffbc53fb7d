package cloudinit_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"gopkg.in/yaml.v3"
)

// mustParse reads a document back as JSON, strictly.
func mustParse(t *testing.T, text string) cloudinit.Document {
	t.Helper()
	body, ok := strings.CutPrefix(text, "#cloud-config\n")
	if !ok {
		t.Fatal("it does not begin with #cloud-config")
	}
	var d cloudinit.Document
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("as JSON: %v", err)
	}
	if decoder.More() {
		t.Fatal("something follows the document")
	}
	return d
}

// asYAML reads a document as cloud-init does, and returns it as JSON.
func asYAML(t *testing.T, text string) string {
	t.Helper()
	var tree map[string]any
	decoder := yaml.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&tree); err != nil {
		t.Fatalf("as YAML: %v", err)
	}
	if err := decoder.Decode(new(any)); err == nil {
		t.Fatal("there is a second YAML document")
	}
	return mustJSON(t, tree)
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(tree) // sorted
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzRender puts whatever it likes into every field. What is rendered must
// read back, as JSON and as YAML, to the document of harmless values with
// exactly those values replaced: no key, file or command more or less.
func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"plain", "", "\"", "'", "\n", "\r\n- rm -rf /", "$(reboot)", "`id`", "\x00", "\x7f\u0085\u009f", "\ufeff\ufffe\uffff",
		"\u2028runcmd:\u2029", "{\"a\":1}", "]}", "#", "\\", "\\u0000", "🦀", "%YAML 1.1\n---", "...", "\n---\nruncmd: [reboot]", "<&>", "\t",
		"https://a/\"\noutput=x", "\xff", "!!python/object/apply:os.system [id]", "*a", "&a b",
	} {
		f.Add(s, s, s, s, s, s, s)
		f.Add("https://"+s, "i"+s, "v"+s, "t"+s, "ssh-rsa "+s, "https://h/"+s, strings.Repeat("0a", 32))
	}
	f.Fuzz(func(t *testing.T, api, installation, vm, token, key, url, digest string) {
		o := options()
		o.Agent = dcm.AgentConfig{APIURL: api, Installation: installation, VMID: dcm.VMID(vm), BootstrapToken: token}
		o.SSHPublicKey = key
		o.Downloads[0].URL, o.Downloads[0].SHA256 = dcm.NewSecret(url), digest
		rendered, err := cloudinit.Render(o)
		if err != nil {
			return
		}
		text := rendered.Reveal()
		got := mustParse(t, text)
		if a, b := asYAML(t, text), mustJSON(t, got); a != b {
			t.Fatalf("YAML reads\n%s\nJSON reads\n%s", a, b)
		}
		requireOnlyValuesChanged(t, o, got)
	})
}

func requireOnlyValuesChanged(t *testing.T, o cloudinit.Options, got cloudinit.Document) {
	t.Helper()
	var config dcm.AgentConfig
	decoder := json.NewDecoder(bytes.NewReader([]byte(got.WriteFiles[0].Content)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil || config != o.Agent {
		t.Fatalf("the agent reads %+v instead of %+v (%v)", config, o.Agent, err)
	}
	want := mustParse(t, mustRender(t, options()))
	for i := range want.WriteFiles {
		switch f := &want.WriteFiles[i]; f.Path {
		case "/etc/dcm/agent.json":
			f.Content = got.WriteFiles[0].Content
		case "/etc/dcm/agent-amd64.curl":
			f.Content = "url = \"" + o.Downloads[0].URL.Reveal() + "\"\n"
		case "/etc/dcm/agent-amd64.sha256":
			f.Content = o.Downloads[0].SHA256 + "\n"
		}
	}
	want.SSHAuthorizedKeys = nil
	if o.SSHPublicKey != "" {
		want.SSHAuthorizedKeys = []string{o.SSHPublicKey}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}
