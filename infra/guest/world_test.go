package guest_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/localtest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine/guest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/web"
)

// patience is how long anything may take before a test gives it up; longer where
// containers are built, and where the processor is emulated.
const (
	patience        = 60 * time.Second
	enginePatience  = 3 * time.Minute
	machinePatience = 15 * time.Minute
)

// diskVariable names the disk that containers boot from, engineVariable one that
// has a container engine, imageVariable the directory with the kernel and the
// disk of machines. make e2e-guest, e2e-engine and e2e-vm set them.
const (
	diskVariable   = "DCM_GUEST_DISK"
	engineVariable = "DCM_GUEST_ENGINE_DISK"
	imageVariable  = "DCM_GUEST_IMAGE"
)

// world is the local stack with guests as its servers, a git server beside it,
// and a user.
type world struct {
	*local.Stack
	t      *testing.T
	guests *guest.Guests
	key    key // the user's SSH key
	token  string
	repo   string
	client *http.Client
	// repositories is the directory that guests see as gitHost.
	repositories string
	registry     *ociRegistry
	// signer signs the guests' certificates; nil where they do so themselves.
	signer *signer
	// patience is how long its guests may take.
	patience time.Duration
	// functions is what the functions log.
	functions *localtest.Log
}

type worldOptions struct {
	environment map[string]string       // the functions'
	prepare     func(root string) error // changes each new disk
	ipv6        bool                    // metadata by IPv6 alone
	machine     bool                    // a machine of QEMU, not a container
	engine      bool                    // with a container engine
	tls         bool                    // certificates from Pebble
	// broken says that a function fails now, before it has done anything.
	broken func(function string) bool
}

// disk is the disk, and for a machine the kernel, that guests boot. Without its
// variable there is nothing to boot, and the test is left to a target.
func (o worldOptions) disk(t *testing.T) (disk, kernel string) {
	t.Helper()
	variable, target := diskVariable, "make e2e-guest"
	switch {
	case o.machine:
		variable, target = imageVariable, "make e2e-vm"
	case o.engine:
		variable, target = engineVariable, "make e2e-engine"
	}
	if disk = os.Getenv(variable); disk == "" {
		t.Skipf("boots real guests, as root: %s runs it (%s is not set)", target, variable)
	}
	if o.machine {
		return filepath.Join(disk, "disk.ext4"), filepath.Join(disk, "vmlinuz")
	}
	return disk, ""
}

// mustStart brings a world up. Without a disk there is nothing to boot, and the
// test is skipped; with one, whatever else is missing fails the test.
func mustStart(t *testing.T, o worldOptions) *world {
	t.Helper()
	disk, kernel := o.disk(t)
	if o.engine {
		o.environment = map[string]string{"VM_RUNTIME": "devcontainer", "DEFAULT_IMAGE": baseImage}
	}
	agent, err := agentBinary()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: mustKey(t), client: &http.Client{Transport: &http.Transport{}}, functions: &localtest.Log{}, patience: patience}
	switch {
	case o.machine:
		w.patience = machinePatience
	case o.engine:
		w.patience = enginePatience
	}
	authority, err := web.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	trusted := authority.PEM()
	logs := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	options := local.Options{
		Template: "../../template.yaml", AgentBinary: agent, Dir: t.TempDir(), HeartbeatInterval: time.Second,
		Address: guest.Address, Environment: o.environment, FunctionOutput: w.functions, Logger: logs, Functions: localtest.Breaking(registry.Function, o.broken),
		ManualSchedules: true,
		Hardware: func(m machine.Options) (machine.Hardware, error) {
			g, err := guest.New(guest.Options{
				Dir: m.Dir, Disk: disk, Kernel: kernel, Trust: trusted, Prepare: o.prepare, IPv6Metadata: o.ipv6, Engine: o.engine,
				Hosts: map[string]string{gitHost: guest.Address, registryHost: guest.Address}, Logger: logs,
			})
			w.guests = g
			return g, err
		},
	}
	if o.tls {
		w.signer = mustSign(t, &options)
		trusted = append(trusted, w.signer.mustBeTrusted(t)...)
	}
	if w.Stack, err = local.Start(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	w.signer.serves(w.Stack)
	t.Cleanup(func() {
		if t.Failed() {
			w.dump(w.functions.String())
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	w.repositories = filepath.Dir(strings.TrimPrefix(w.SampleRepository, "file://"))
	w.repo = mustPublish(t, strings.TrimPrefix(w.SampleRepository, "file://"))
	w.registry = &ociRegistry{}
	sites := map[string]http.Handler{gitHost: http.FileServer(http.Dir(w.repositories)), registryHost: w.registry}
	closer, err := authority.Serve(guest.Address+":443", sites, logs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer.Close() })
	var answer struct{ Token string }
	w.must(http.StatusOK, "POST", "/_local/token", nil, &answer)
	w.token = answer.Token
	return w
}

// dump shows what may explain a failure.
func (w *world) dump(functions string) {
	for line := range strings.Lines(functions) {
		if !strings.Contains(line, `"function":"vms-get"`) && !strings.Contains(line, `"function":"vms-heartbeat"`) {
			w.t.Log(strings.TrimSpace(line))
		}
	}
	for _, server := range w.State().Servers {
		root := w.guests.Root(server.ID)
		w.t.Logf("server %s is %s", server.Name, server.Status)
		if root == "" {
			b, _ := os.ReadFile(w.Dir + "/servers/server-" + server.ID + "/serial.log")
			w.t.Logf("its serial line:\n%s", b)
			continue
		}
		for _, path := range []string{root + "/../console.log", root + "/var/log/cloud-init-output.log"} {
			b, _ := os.ReadFile(path)
			w.t.Logf("%s:\n%s", filepath.Base(path), b)
		}
		out, _ := exec.Command("journalctl", "--no-pager", "--directory="+root+"/var/log/journal", "--output=short-precise", "--lines=150").CombinedOutput()
		w.t.Logf("journal:\n%s", out)
	}
}

// agentBinary builds the agent once, as a deployment does.
var agentBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("DCM_AGENT_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "dcm-agent-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "dcm-agent")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../../cloudinit/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return path, nil
})

// must calls the API, or the controls, and decodes the answer into v.
func (w *world) must(want int, method, path string, body, v any) {
	w.t.Helper()
	localtest.Caller{URL: w.URL, Client: w.client, Token: w.token}.Must(w.t, want, method, path, body, v)
}

// vm is what the API shows, as far as the tests read it.
type vm struct {
	ID, WorkspaceID, ProviderID, Status, Phase, StopReason, Hostname, IP, Runtime, TerminalPassword string

	URLs       struct{ UI string }
	Error      *dcm.Problem
	Generation int64
	Boot       *dcm.BootTrace
}

// mustLaunch orders a VM; fields override the order.
func (w *world) mustLaunch(fields map[string]any) vm {
	w.t.Helper()
	body := map[string]any{"name": "a guest", "size": "small", "sshPublicKey": w.key.public}
	if fields["workspaceId"] == nil {
		body["repoUrl"] = w.repo
	}
	for k, v := range fields {
		body[k] = v
	}
	var v vm
	w.must(http.StatusCreated, "POST", "/vms", body, &v)
	return v
}

// in is the world for a part of a test.
func (w *world) in(t *testing.T) *world {
	inner := *w
	inner.t = t
	return &inner
}

func (w *world) get(id string) vm {
	w.t.Helper()
	var v vm
	w.must(http.StatusOK, "GET", "/vms/"+id, nil, &v)
	return v
}

// until reads a VM until the condition holds, and returns it.
func (w *world) until(id, what string, holds func(vm) bool) vm {
	w.t.Helper()
	for end := time.Now().Add(w.patience); ; time.Sleep(20 * time.Millisecond) {
		v := w.get(id)
		if holds(v) {
			return v
		}
		if time.Now().After(end) || v.Status == "stopped" {
			w.t.Fatalf("%s never became %s; it is %+v, with the error %+v", id, what, v, cmp.Or(v.Error, &dcm.Problem{}))
		}
	}
}

func (w *world) untilStatus(id, status string) vm {
	w.t.Helper()
	return w.until(id, status, func(v vm) bool { return v.Status == status })
}

// watch waits for something that happens in a guest.
func (w *world) watch(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(w.patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s never came", what)
		}
	}
}

// run runs a command in a guest as root, and returns what it says.
func (w *world) run(v vm, words ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	c, err := w.guests.Command(ctx, v.ProviderID, words...)
	if err != nil {
		return "", err
	}
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) mustRun(v vm, words ...string) string {
	w.t.Helper()
	out, err := w.run(v, words...)
	if err != nil {
		w.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
	return out
}

// root is a guest's file system.
func (w *world) root(v vm) string { return w.guests.Root(v.ProviderID) }

// fault makes calls fail.
func (w *world) fault(f map[string]any) {
	w.t.Helper()
	w.must(http.StatusNoContent, "POST", "/_local/faults", f, nil)
}

// requireNothingLeft looks for what a VM that has ended must not leave.
func (w *world) requireNothingLeft() {
	w.t.Helper()
	state := w.State()
	if len(state.Servers)+len(state.DNSRecords)+len(state.Uploads) != 0 {
		w.t.Errorf("left: servers %v, records %v, uploads %v", state.Servers, state.DNSRecords, state.Uploads)
	}
	if left, _ := filepath.Glob(w.Dir + "/servers/server-*"); len(left) != 0 {
		w.t.Errorf("left: %v", left)
	}
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) != 1 {
		w.t.Errorf("left: %v, %v", interfaces, err)
	}
}
