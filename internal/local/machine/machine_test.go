package machine_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
)

// fakeAgent writes down what it was given, moves a child out of its process
// group and session, and then lives until it is killed, or until it is told
// to end by a file.
const fakeAgent = `#!/bin/sh
# $1..$6: --root DIR --listen ADDRESS --port-file FILE
echo "$@" >"$2/arguments"
cp "$8" "$2/config-read"
env >"$2/environment"
setsid sh -c 'echo $$ >"$0/stray"; while :; do sleep 60; done' "$2" &
while [ ! -s "$2/stray" ]; do sleep 0.01; done
echo $$ >>"$2/starts"
(cd "$2"; env -i PATH="$PATH" setsid sh -c 'echo $$ >bare; while :; do sleep 60; done' &)
while [ ! -s "$2/bare" ]; do sleep 0.01; done
echo 4711 >"$6"
while [ ! -e "$2/end" ]; do sleep 0.01; done
`

// hall is machines in a directory of the test's, and a place to download
// their agent from.
type hall struct {
	*machine.Machines
	dir       string
	url       string
	body      atomic.Value // string
	downloads atomic.Int32
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{dir: t.TempDir()}
	h.body.Store(fakeAgent)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.downloads.Add(1)
		_, _ = w.Write([]byte(h.body.Load().(string)))
	}))
	t.Cleanup(s.Close)
	h.url = s.URL + "/agent?signature=x"
	h.Machines = machine.New(machine.Options{Dir: h.dir, Environment: []string{"DCM_LOCAL_CLOCK=/clock"}, Architecture: "amd64", RestartPause: time.Millisecond})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hall) server(t *testing.T, id string) hetzner.ServerInfo {
	t.Helper()
	sum := sha256.Sum256([]byte(fakeAgent))
	userData, err := cloudinit.Render(cloudinit.Options{
		Agent:     dcm.AgentConfig{APIURL: "http://127.0.0.1:1", Installation: "i", VMID: "vm-k3j9x2m4qa", BootstrapToken: "token"},
		Downloads: []cloudinit.Download{{Architecture: "amd64", URL: dcm.NewSecret(h.url), SHA256: hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return hetzner.ServerInfo{ID: id, Name: "dcm-vm", IPv4: "203.0.113." + id, UserData: userData.Reveal()}
}

// until watches for something that another process does.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !true(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be: %s", what)
		}
	}
}

func (h *hall) mustBoot(t *testing.T, s hetzner.ServerInfo) string {
	t.Helper()
	if err := h.Boot(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	until(t, "the agent listens", func() bool { return h.Locate(s.IPv4) != "" })
	return filepath.Dir(h.WorkspaceDir(s.ID))
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func exists(t *testing.T, pid string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestBoot(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	s := h.server(t, "7")
	if got := h.Status("7"); got != "off" {
		t.Errorf("before: %s", got)
	}
	root := h.mustBoot(t, s)
	if got := h.Status("7"); got != "running" {
		t.Errorf("status %s", got)
	}
	if got := h.Locate(s.IPv4); got != "127.0.0.1:4711" {
		t.Errorf("located at %s", got)
	}
	if live := h.Live(); len(live) != 1 || live[0].ID != "7" {
		t.Errorf("live are %v", live)
	}
	info, err := os.Stat(root + "/etc/dcm/agent.json")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the configuration: %v, %v", info, err)
	}
	var config dcm.AgentConfig
	if err := json.Unmarshal([]byte(mustRead(t, root+"/config-read")), &config); err != nil || config.BootstrapToken != "token" {
		t.Errorf("the agent reads %+v, %v", config, err)
	}
	environment := mustRead(t, root+"/environment")
	if !strings.Contains(environment, "DCM_LOCAL_CLOCK=/clock") || !strings.Contains(environment, "HOME="+root) {
		t.Errorf("environment %s", environment)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	root := h.mustBoot(t, h.server(t, "7"))
	stray, bare := mustRead(t, root+"/stray"), mustRead(t, root+"/bare")
	if err := os.MkdirAll(root+"/workspace/closed/inner", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root+"/workspace/closed", 0o500); err != nil {
		t.Fatal(err)
	}
	if err := h.Stop(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if exists(t, stray) {
		t.Error("a process in a session of its own lives on")
	}
	if exists(t, bare) {
		t.Error("a process without an environment lives on")
	}
	if left, _ := os.ReadDir(h.dir); len(left) != 0 {
		t.Errorf("left on disk: %v", left)
	}
	if h.Status("7") != "off" || h.Locate("203.0.113.7") != "" || h.WorkspaceDir("7") != "" {
		t.Error("the server still seems to be there")
	}
	if err := h.Stop(t.Context(), "7"); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestAnAgentThatEndsIsOff(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	root := h.mustBoot(t, h.server(t, "7"))
	if err := os.WriteFile(root+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "off", func() bool { return h.Status("7") == "off" })
	if h.Locate("203.0.113.7") != "" {
		t.Error("it can still be reached")
	}
}

func TestPowerOffKeepsTheDisk(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	s := h.server(t, "7")
	root := h.mustBoot(t, s)
	stray := mustRead(t, root+"/stray")
	if err := h.PowerOff(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if h.Status("7") != "off" || exists(t, stray) {
		t.Error("something runs")
	}
	forget(t, root)
	if err := os.WriteFile(root+"/etc/dcm/agent.json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.mustBoot(t, s)
	if h.downloads.Load() != 1 {
		t.Error("the agent was downloaded again")
	}
	if mustRead(t, root+"/etc/dcm/agent.json") != "{}" {
		t.Error("user-data was written again")
	}
}

// forget removes what the fake agent waits for.
func forget(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"stray", "bare"} {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAKilledAgentIsStartedAgain does what systemd does with the agent's unit:
// Restart=on-failure.
func TestAKilledAgentIsStartedAgain(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	s := h.server(t, "7")
	root := h.mustBoot(t, s)
	starts := func() []string { return strings.Fields(mustRead(t, root+"/starts")) }
	for n := 1; n <= 3; n++ {
		left := []string{mustRead(t, root+"/stray"), mustRead(t, root+"/bare")}
		forget(t, root)
		pid, err := strconv.Atoi(starts()[n-1])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "it runs again", func() bool { return len(starts()) == n+1 && h.Locate(s.IPv4) != "" })
		if h.Status("7") != "running" {
			t.Error("the server seems to be off")
		}
		for _, pid := range left {
			if exists(t, pid) {
				t.Error("what the agent had started lives on")
			}
		}
	}
	t.Run("but not once it is done", func(t *testing.T) {
		if err := os.WriteFile(root+"/end", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		until(t, "off", func() bool { return h.Status("7") == "off" })
		if n := len(starts()); n != 4 {
			t.Errorf("%d starts", n)
		}
	})
}

func TestAServerThatIsOffStartsNothing(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	root := h.mustBoot(t, h.server(t, "7"))
	if err := h.PowerOff(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(mustRead(t, root+"/starts"))); n != 1 || h.Status("7") != "off" {
		t.Errorf("%d starts, %s", n, h.Status("7"))
	}
}

func TestKillEndsEveryProcessAtOnce(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	var strays []string
	for _, id := range []string{"7", "8"} {
		strays = append(strays, mustRead(t, h.mustBoot(t, h.server(t, id))+"/stray"))
	}
	h.Kill()
	for _, pid := range strays {
		if exists(t, pid) {
			t.Errorf("process %s lives on", pid)
		}
	}
}

func TestAgentsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	h.body.Store(fakeAgent + "# changed\n")
	if err := h.Boot(t.Context(), h.server(t, "7")); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("it booted: %v", err)
	}
	if h.Status("7") != "off" || h.downloads.Load() < 2 {
		t.Errorf("status %s after %d downloads", h.Status("7"), h.downloads.Load())
	}
}

func TestErrorsDoNotShowTheURL(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	h.url = "http://127.0.0.1:1/agent?signature=secret"
	if err := h.Boot(t.Context(), h.server(t, "7")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestUserDataThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	good := h.server(t, "7").UserData
	for name, bad := range map[string]string{
		"no header":       strings.TrimPrefix(good, "#cloud-config\n"),
		"a script":        "#!/bin/sh\n",
		"an unknown key":  strings.Replace(good, `"runcmd"`, `"bootcmd"`, 1),
		"another command": strings.Replace(good, `"enable"`, `"poweroff"`, 1),
		"a relative path": strings.Replace(good, `"/etc/dcm/agent.json"`, `"etc/dcm/agent.json"`, 1),
		"a path upwards":  strings.Replace(good, `"/etc/dcm/agent.json"`, `"/../agent.json"`, 1),
		"another owner":   strings.Replace(good, `"root:root"`, `"user:user"`, 1),
		"no such unit":    strings.ReplaceAll(good, `"dcm-metadata.service"`, `"other.service"`),
		"a broken mode":   strings.Replace(good, `"0600"`, `"rw-"`, 1),
		"no agent":        strings.Replace(good, `/dcm-agent --config`, `/other --config`, 1),
		"more after it":   good + "{}",
		"another policy":  strings.Replace(good, `Restart=on-failure`, `Restart=on-abnormal`, 1),
		"another pause":   strings.Replace(good, `RestartSec=5`, `RestartSec=5min`, 1),
		"a file left out": strings.Replace(good, `"/usr/local/lib/dcm/install"`, `"/usr/local/lib/dcm/else"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := h.server(t, "9")
			s.UserData = bad
			if err := h.Boot(t.Context(), s); err == nil {
				t.Error("it booted")
			}
			if err := h.Stop(t.Context(), "9"); err != nil {
				t.Error(err)
			}
		})
	}
}
