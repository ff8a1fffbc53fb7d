package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
)

// repository is what VMs are made for; nobody here clones it.
const repository = "https://git.example.com/sample.git"

// world is the whole control plane over the stand-ins, with servers on paper:
// the test plays the VMs.
type world struct {
	*local.Stack
	t *testing.T
	// getenv is the environment of sweep-keys, for what looks behind the API.
	getenv func(string) string
	// getenvVMs is the one of sweep-vms.
	getenvVMs func(string) string
	// patience is how often a caller asks again after a failure of ours, and
	// heard is told of every answer.
	patience int
	heard    func(c caller, method, path string, a answer)
	// relays stand between one function and one service.
	relays map[route]*relay
	// hardware is what the servers are.
	hardware *paper
}

func newWorld(t *testing.T, environment map[string]string, relays ...*relay) *world {
	t.Helper()
	agent := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, relays: map[route]*relay{}, hardware: newPaper()}
	for _, r := range relays {
		w.relays[r.route] = r
		r.start(w)
	}
	stack, err := local.Start(t.Context(), local.Options{
		Template: "../../template.yaml", Functions: w.function, AgentBinary: agent,
		Dir: t.TempDir(), ManualSchedules: true, Environment: environment, Machine: w.hardware, Repository: repository,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			if log, err := os.ReadFile(filepath.Join(stack.Dir, "functions.log")); err == nil {
				t.Logf("functions' log:\n%s", log[max(0, len(log)-8000):])
			}
		}
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Stack = stack
	return w
}

// function builds one of the functions.
func (w *world) function(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
	switch name {
	case "sweep-keys":
		w.getenv = getenv
	case "sweep-vms":
		w.getenvVMs = getenv
	}
	return registry.Function(name, w.relayed(name, getenv), clock, output)
}

// caller speaks for one user of one tenant, or for one VM.
type caller struct {
	w     *world
	token string
}

func (w *world) user(tenant dcm.TenantID, permissions ...dcm.Permission) caller {
	w.t.Helper()
	if permissions == nil {
		permissions = []dcm.Permission{dcm.PermissionAll}
	}
	token, err := w.Token(issuer.Identity{Tenant: tenant, User: dcm.UserID("u-" + tenant), Permissions: permissions})
	if err != nil {
		w.t.Fatal(err)
	}
	return caller{w, token.Reveal()}
}

// answer is a response, read.
type answer struct {
	status  int
	body    []byte
	header  http.Header
	problem httpapi.Problem
}

// call makes a request, and makes it again, as often as the world has patience,
// while the answer is a failure that may pass.
func (c caller) call(method, path string, body any, headers ...string) answer {
	c.w.t.Helper()
	for try := 0; ; try++ {
		a := c.once(method, path, body, headers...)
		if c.w.heard != nil {
			c.w.heard(c, method, path, a)
		}
		if a.status < 500 || try >= c.w.patience {
			return a
		}
	}
}

// once makes a request; body is marshalled unless it is a string. The request,
// if it was a good one, and the answer must be as the OpenAPI document says.
func (c caller) once(method, path string, body any, headers ...string) answer {
	c.w.t.Helper()
	var (
		raw []byte
		err error
	)
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	default:
		if raw, err = json.Marshal(b); err != nil {
			c.w.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(c.w.t.Context(), method, c.w.URL+path, bytes.NewReader(raw))
	if err != nil {
		c.w.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.w.t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		c.w.t.Fatal(err)
	}
	_ = json.Unmarshal(a.body, &a.problem) // only a problem has its fields
	c.w.asDescribed(exchange{r, raw, a.status, a.header, a.body})
	return a
}

// expect fails the test unless the status is as expected.
func (a answer) expect(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

func (w *world) launchBody() map[string]any {
	return map[string]any{"name": "api fix", "repoUrl": w.SampleRepository, "size": "small"}
}

func (c caller) launch() api.CreatedVM {
	c.w.t.Helper()
	return decode[api.CreatedVM](c.w.t, c.call("POST", "/vms", c.w.launchBody()).expect(c.w.t, 201))
}

func (c caller) get(id dcm.VMID) api.VM {
	c.w.t.Helper()
	return decode[api.VM](c.w.t, c.call("GET", "/vms/"+string(id), nil).expect(c.w.t, 200))
}

// machine is a VM as the test plays it.
type machine struct {
	caller
	id        dcm.VMID
	bootToken string
	publicKey string
	boot      dcm.BootstrapAnswer
}

// machine finds the VM's server and reads what its user-data left there.
func (w *world) machine(id dcm.VMID) *machine {
	w.t.Helper()
	m := &machine{caller: caller{w: w}, id: id}
	w.eventually("user-data of "+string(id), func() bool { return w.hardware.token(id) != "" })
	m.bootToken = w.hardware.token(id)
	// Until its agent has ended the provider says that it starts.
	w.eventually("the end of the agent of "+string(id), func() bool {
		for _, s := range w.State().Servers {
			if s.Labels[dcm.LabelVM] == string(id) {
				return s.Status == "off"
			}
		}
		return true
	})
	m.publicKey = newPublicKey(w.t)
	m.token = m.bootToken
	return m
}

func newPublicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(public)
}

func (m *machine) path(suffix string) string { return "/vms/" + string(m.id) + suffix }

func (m *machine) bootstrap() dcm.BootstrapAnswer {
	m.w.t.Helper()
	c := caller{m.w, m.bootToken}
	a := c.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey, AgentVersion: "test"})
	m.boot = decode[dcm.BootstrapAnswer](m.w.t, a.expect(m.w.t, 200))
	m.token = m.boot.VMToken
	return m.boot
}

func (m *machine) beat(b dcm.Heartbeat) dcm.HeartbeatAnswer {
	m.w.t.Helper()
	if b.Phase == "" {
		b.Phase = dcm.PhaseReady
	}
	a := decode[dcm.HeartbeatAnswer](m.w.t, m.call("POST", m.path("/heartbeat"), b).expect(m.w.t, 200))
	if a.Token != "" {
		m.token = a.Token
	}
	return a
}

// running launches a VM and plays its boot until it runs.
func (w *world) running(c caller) (*machine, api.CreatedVM) {
	w.t.Helper()
	vm := c.launch()
	m := w.machine(vm.ID)
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
	if got := c.get(vm.ID); got.Status != dcm.StatusRunning {
		w.t.Fatalf("status %s after a running heartbeat", got.Status)
	}
	return m, vm
}

// eventually watches a condition. It is for what happens in another process
// or goroutine; the deadline is only for a test that has failed anyway.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("never happened: %s", what)
		}
	}
}

// calls are the calls made since the last look.
func (w *world) callsDuring(f func()) map[string]map[string]int {
	before := w.State().Calls
	f()
	after := w.State().Calls
	for service, operations := range after {
		for operation, n := range before[service] {
			if operations[operation] -= n; operations[operation] == 0 {
				delete(operations, operation)
			}
		}
	}
	return after
}

func total(operations map[string]int) int {
	sum := 0
	for _, n := range operations {
		sum += n
	}
	return sum
}

// sweep runs sweep-vms now.
func (w *world) sweep() {
	w.t.Helper()
	caller{w: w}.call("POST", "/_local/schedules/sweep-vms", nil).expect(w.t, 200)
}

// fault makes calls fail.
func (w *world) fault(f map[string]any) {
	w.t.Helper()
	caller{w: w}.call("POST", "/_local/faults", f).expect(w.t, 204)
}

func (w *world) clearFaults() {
	w.t.Helper()
	caller{w: w}.call("DELETE", "/_local/faults", nil).expect(w.t, 204)
}

func (w *world) advance(by time.Duration) {
	w.t.Helper()
	if err := w.Advance(w.t.Context(), by); err != nil {
		w.t.Fatal(err)
	}
}

// nothingLeft checks that nothing exists outside any more.
func (w *world) nothingLeft() {
	w.t.Helper()
	s := w.State()
	if len(s.Servers) != 0 || len(s.DNSRecords) != 0 || len(s.Uploads) != 0 {
		w.t.Errorf("left behind: servers %+v, records %+v, uploads %+v", s.Servers, s.DNSRecords, s.Uploads)
	}
}
