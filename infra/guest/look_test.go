package guest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxExposure is how exposed systemd-analyze may find the agent's unit, from 0
// to 10.
const maxExposure = 4.2

// look is everything that a guest must show once it is ready.
func (w *world) look(t *testing.T, v vm) {
	for name, check := range map[string]func(*world, vm){
		"cloud-init has nothing to complain about": (*world).lookAtCloudInit,
		"no secret lies about":                     (*world).requireNoSecrets,
		"the bootstrap token is spent":             (*world).lookAtToken,
		"metadata is root's alone":                 (*world).lookAtMetadata,
		"the user's SSH key opens it":              (*world).lookAtSSH,
		"the agent's unit is in order":             (*world).lookAtUnit,
		"the terminal has the machine":             (*world).lookAtTerminal,
		"the journal is readable":                  (*world).lookAtJournal,
		"no package was installed":                 (*world).lookAtPackages,
	} {
		t.Run(name, func(t *testing.T) { check(w.in(t), v) })
	}
}

func (w *world) lookAtCloudInit(v vm) {
	var status struct {
		Status   string         `json:"status"`
		Extended string         `json:"extended_status"`
		Errors   []string       `json:"errors"`
		Warnings map[string]any `json:"recoverable_errors"`
	}
	out := w.mustRun(v, "cloud-init", "status", "--wait", "--format=json")
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	if status.Status != "done" || status.Extended != "done" || len(status.Errors)+len(status.Warnings) != 0 {
		w.t.Errorf("it is %s", out)
	}
	out, err := w.run(v, "cloud-init", "schema", "--system")
	if err != nil || !strings.Contains(out, "Valid schema user-data") || strings.Contains(strings.ToLower(out), "deprecated") {
		w.t.Errorf("the schema: %v: %s", err, out)
	}
}

// secret matches what opens something.
var secret = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|X-Amz-Signature=[0-9a-f]{64}|AGE-SECRET-KEY-1[0-9A-Z]+`)

// requireNoSecrets reads everything that the guest has written since it began,
// cloud-init's files, logs and the journal among them.
func (w *world) requireNoSecrets(v vm) {
	w.t.Helper()
	w.mustRun(v, "journalctl", "--sync")
	changed := filepath.Join(filepath.Dir(w.root(v)), "changed")
	allowed := map[string]bool{"/var/lib/dcm/state.json": true} // the agent's own, mode 0600
	read := 0
	err := filepath.WalkDir(changed, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		name := strings.TrimPrefix(path, changed)
		if found := secret.Find(b); found != nil && !allowed[name] || bytes.Contains(b, []byte(v.TerminalPassword)) && !allowed[name] && v.TerminalPassword != "" {
			w.t.Errorf("%s holds %.20s…", name, found)
		}
		return nil
	})
	if err != nil || read < 20 {
		w.t.Errorf("read %d files: %v", read, err)
	}
	if info, err := os.Stat(changed + "/var/lib/dcm/state.json"); err != nil || info.Mode().Perm() != 0o600 {
		w.t.Errorf("the agent's state is %v, %v", info, err)
	}
	out, err := w.run(v, "grep", "-rlE", secret.String(), "/run", "--exclude-dir=user", "--devices=skip")
	if out != "" || err == nil {
		w.t.Errorf("below /run: %s", out)
	}
}

// lookAtToken fetches user-data again, as root still can, and tries its token
// as a thief would.
func (w *world) lookAtToken(v vm) {
	out := w.mustRun(v, "curl", "-sf", "http://169.254.169.254/hetzner/v1/userdata")
	token := regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`).FindString(out)
	if token == "" {
		w.t.Fatal("user-data holds no token: this proves nothing")
	}
	body, err := json.Marshal(dcm.BootstrapRequest{PublicKey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", AgentVersion: "thief"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, route := range []string{"/bootstrap", "/heartbeat", "/cleanup"} {
		r, err := http.NewRequestWithContext(w.t.Context(), "POST", w.URL+"/vms/"+v.ID+route, bytes.NewReader(body))
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := w.client.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusConflict {
			w.t.Errorf("%s answers %s", route, answer.Status)
		}
	}
}

// box makes a network in the guest like a container's: behind a bridge of the
// guest, with its packets forwarded and their addresses translated.
const box = `set -e
ip netns add box
ip link add box0 type veth peer name eth0 netns box
ip address add 10.99.0.1/24 dev box0
ip link set box0 up
ip -n box address add 10.99.0.2/24 dev eth0
ip -n box link set eth0 up
ip -n box route add default via 10.99.0.1
sysctl -qw net.ipv4.ip_forward=1
nft 'table ip box { chain post { type nat hook postrouting priority 100; ip saddr 10.99.0.0/24 masquerade; }; }'
`

func (w *world) lookAtMetadata(v vm) {
	const ask = "curl -sf --max-time 2 -o /dev/null "
	const data, elsewhere = "http://169.254.169.254/hetzner/v1/metadata", "https://git.example.com/sample.git/HEAD"
	w.mustRun(v, "sh", "-c", box)
	for _, c := range []struct {
		who, command string
		reaches      bool
	}{
		{"root", ask + data, true},
		{"a user, elsewhere", "runuser -u nobody -- " + ask + elsewhere, true},
		{"a user", "runuser -u nobody -- " + ask + data, false},
		{"a container, elsewhere", "ip netns exec box " + ask + "-k --resolve git.example.com:443:172.31.1.1 " + elsewhere, true},
		{"a container", "ip netns exec box " + ask + data, false},
	} {
		if out, err := w.run(v, "sh", "-c", c.command); (err == nil) != c.reaches {
			w.t.Errorf("%s: %v %s", c.who, err, out)
		}
	}
	w.mustRun(v, "sh", "-c", "ip netns delete box; nft delete table ip box")
}

func (w *world) lookAtSSH(v vm) {
	if out, err := w.ssh(v, w.key, "id", "-un"); err != nil || out != "root" {
		w.t.Errorf("the user's key: %v: %s", err, out)
	}
	out, err := w.ssh(v, mustKey(w.t), "id", "-un")
	if err == nil || !strings.Contains(out, "(publickey)") {
		w.t.Errorf("another key, with no other way in: %v: %s", err, out)
	}
}

// ssh runs a command in a guest, as whoever has the key.
func (w *world) ssh(v vm, k key, words ...string) (string, error) {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), "ssh", append([]string{
		"-F", "none", "-i", k.file, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "ConnectTimeout=30",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@" + v.IP, "--",
	}, words...)...)
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) lookAtUnit(v vm) {
	if out, err := w.run(v, "systemctl", "is-active", "dcm-agent.service", "dcm-metadata.service"); err != nil {
		w.t.Errorf("the units are %s", out)
	}
	if out := w.mustRun(v, "systemctl", "list-units", "--failed", "--plain", "--no-legend"); out != "" {
		w.t.Errorf("failed: %s", out)
	}
	out := w.mustRun(v, "systemd-analyze", "security", "dcm-agent.service", "--no-pager")
	m := regexp.MustCompile(`Overall exposure level for dcm-agent.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		w.t.Fatalf("no figure: %s", out)
	}
	exposure, err := strconv.ParseFloat(m[1], 64)
	if err != nil || exposure > maxExposure {
		w.t.Errorf("it is exposed to %s", m[1])
	}
	w.t.Logf("systemd-analyze security: %s", m[1])
}

func (w *world) lookAtJournal(v vm) {
	out := w.mustRun(v, "journalctl", "--no-pager", "--output=cat", "--unit=dcm-agent.service", "_COMM=dcm-agent")
	messages := map[string]bool{}
	for line := range strings.Lines(out) {
		var entry struct{ Level, Msg, VM string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			w.t.Errorf("a line is %q", line)
			continue
		}
		if entry.VM != v.ID || entry.Level != "INFO" {
			w.t.Errorf("a line is %s", line)
		}
		messages[entry.Msg] = true
	}
	for _, want := range []string{"bootstrapped", "ready"} {
		if !messages[want] {
			w.t.Errorf("nothing says %q: %s", want, out)
		}
	}
}

// lookAtPackages counts what was installed after the image was made.
func (w *world) lookAtPackages(v vm) {
	b, err := os.ReadFile(filepath.Join(w.root(v), "..", "changed/var/log/dpkg.log"))
	if err == nil {
		w.t.Errorf("dpkg has worked:\n%s", b)
	}
	w.t.Log("packages installed: 0")
}
