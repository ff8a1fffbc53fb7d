package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives it up.
const patience = 90 * time.Second

// command is a running local stack, as make run starts it.
type command struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	token  string
	sample string
	dir    string
	ended  chan error
	client *http.Client
}

var programDirectory atomic.Pointer[string]

// programs builds the stack and the agent once for all tests.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dcm-programs-")
	if err != nil {
		return "", err
	}
	programDirectory.Store(&dir)
	for name, source := range map[string]string{"local": ".", "agent": "../../cloudinit/agent"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as for a VM
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w: %s", source, err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := programDirectory.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
	os.Exit(code)
}

var banner = regexp.MustCompile(`(?s)API\s+(http://127\.0\.0\.1:\d+).*Logs\s+(/\S+).*Sample repository\s+(\S+://\S+).*export TOKEN=(\S+)`)

// mustRun starts the stack, with settings ("NAME=value").
func mustRun(t *testing.T, settings ...string) *command {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	c := &command{t: t, ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}}}
	c.cmd = exec.Command(filepath.Join(dir, "local"))
	c.cmd.Dir = "../.."
	c.cmd.Env = append(os.Environ(), "PORT=0", "EDGE_PORT=0", "HEARTBEAT_SECONDS=1", "DCM_AGENT_BINARY="+filepath.Join(dir, "agent"), "TMPDIR="+t.TempDir())
	c.cmd.Env = append(c.cmd.Env, settings...)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // fails when it has ended
	var text strings.Builder
	lines := bufio.NewScanner(out)
	for c.url == "" && lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if m := banner.FindStringSubmatch(text.String()); m != nil {
			c.url, c.dir, c.sample, c.token = m[1], m[2], m[3], m[4]
		}
	}
	if c.url == "" {
		t.Fatalf("there was no banner:\n%s", text.String())
	}
	go func() {
		for lines.Scan() { // or the program would wait for a reader
		}
		c.ended <- c.cmd.Wait()
	}()
	return c
}

func (c *command) call(method, path string, body any, v any) {
	c.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %s %s, %v", method, path, answer.Status, text, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		c.t.Fatalf("%s %s answers %s: %v", method, path, text, err)
	}
}

type vm struct {
	ID, Status, TerminalPassword string

	URLs struct{ UI string }
}

// mustLaunch returns a VM that runs.
func (c *command) mustLaunch() vm {
	c.t.Helper()
	var launched vm
	c.call("POST", "/vms", map[string]string{"name": "try it", "repoUrl": c.sample, "size": "small"}, &launched)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var v vm
		c.call("GET", "/vms/"+launched.ID, nil, &v)
		if v.Status == "running" {
			return launched
		}
		if time.Now().After(end) {
			c.t.Fatalf("it never ran: %+v", v)
		}
	}
}

// processes lists those whose environment or command line names the stack's
// directory: what its VMs run.
func (c *command) processes() []string {
	var found []string
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	paths = append(paths, commands...)
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(c.dir)) {
			found = append(found, path)
		}
	}
	return found
}

func (c *command) requireNothingLeft() {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); len(c.processes()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("processes are left: %v", c.processes())
		}
	}
}

func (c *command) mustEnd(signals ...os.Signal) error {
	c.t.Helper()
	for _, s := range signals {
		if err := c.cmd.Process.Signal(s); err != nil {
			c.t.Fatal(err)
		}
	}
	select {
	case err := <-c.ended:
		return err
	case <-time.After(patience):
		c.t.Fatal("it did not end")
		return nil
	}
}

func TestEnding(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("processes are looked for in /proc")
	}
	for name, end := range map[string]struct {
		signals []os.Signal
		clean   bool
	}{
		"Ctrl-C":       {[]os.Signal{os.Interrupt}, true},
		"a hang-up":    {[]os.Signal{syscall.SIGHUP}, true},
		"Ctrl-C twice": {[]os.Signal{os.Interrupt, os.Interrupt}, false},
		"SIGKILL":      {[]os.Signal{os.Kill}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustRun(t)
			c.mustLaunch()
			if len(c.processes()) == 0 {
				t.Fatal("no agent runs")
			}
			err := c.mustEnd(end.signals...)
			c.requireNothingLeft()
			if !end.clean {
				return
			}
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
			if _, err := os.Stat(c.dir); err == nil {
				t.Errorf("%s is left", c.dir)
			}
		})
	}
}

// TestGuests has guests as servers: they are reached from outside of their
// network, and end with the stack, however that ends.
func TestGuests(t *testing.T) {
	if os.Getenv("DCM_GUEST_DISK") == "" {
		t.Skip("boots real guests, as root: make e2e-guest runs it (DCM_GUEST_DISK is not set)")
	}
	for name, signal := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "SIGKILL": os.Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustRun(t, "DCM_MACHINE=guest")
			v := c.mustLaunch()
			if len(c.processes()) == 0 {
				t.Fatal("no guest runs")
			}
			c.requireTerminal(v)
			err := c.mustEnd(signal)
			c.requireNothingLeft()
			if signal == os.Interrupt && err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// requireTerminal asks for a VM's terminal page at its own address, which a
// browser takes for this machine's.
func (c *command) requireTerminal(v vm) {
	c.t.Helper()
	u, err := url.Parse(v.URLs.UI)
	if err != nil || u.Scheme != "https" {
		c.t.Fatalf("its address is %s: %v", v.URLs.UI, err)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // nobody has issued its certificate
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", u.Port()))
		},
	}}
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", v.URLs.UI+"/api/status", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth("user", v.TerminalPassword)
	answer, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(b), `"phase":"ready"`) {
		c.t.Errorf("it answers %s %s, %v", answer.Status, b, err)
	}
}

// TestWhatAServerIs: a server is one of three things.
func TestWhatAServerIs(t *testing.T) {
	t.Parallel()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "local"))
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "DCM_MACHINE=cloud")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DCM_MACHINE must be process, guest or vm") {
		t.Errorf("it says %s, %v", out, err)
	}
}

// TestAPortThatIsTaken is told before anything is built, with what to do.
func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, name := range []string{"PORT", "EDGE_PORT"} {
		c := exec.CommandContext(t.Context(), filepath.Join(dir, "local"))
		// There is no Go to build an agent with.
		c.Dir, c.Env = "../..", []string{"PATH=/nowhere", "PORT=0", "EDGE_PORT=0", name + "=" + port, "TMPDIR=" + t.TempDir()}
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), port+"; "+name+"=…") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestBrowser does the main job's first half as a person would: it opens the
// terminal in a real browser and starts a server there.
func TestBrowser(t *testing.T) {
	browser := os.Getenv("DCM_TEST_BROWSER")
	if browser == "" {
		t.Skip("DCM_TEST_BROWSER names no browser (make e2e)")
	}
	const check = "../../internal/agent/gateway/web/check"
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--silent", "--no-audit", "--no-fund")
	npm.Dir = check
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v: %s", err, out)
	}
	screenshot := os.Getenv("DCM_TEST_SCREENSHOT")
	if screenshot == "" {
		screenshot = filepath.Join(t.TempDir(), "terminal.png")
	}
	screenshot, err := filepath.Abs(screenshot)
	if err != nil {
		t.Fatal(err)
	}
	c := mustRun(t)
	v := c.mustLaunch()
	node := exec.CommandContext(t.Context(), "node", "browser-check.mjs", v.URLs.UI, v.TerminalPassword, screenshot)
	node.Dir = check
	node.Env = append(os.Environ(), "CHROMIUM="+browser, "PORT_COMMAND=./server.sh 3000")
	out, err := node.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(screenshot); err != nil || info.Size() == 0 {
		t.Errorf("the screenshot: %v, %v", info, err)
	}
	var stopping vm
	c.call("DELETE", "/vms/"+v.ID, nil, &stopping)
	if err := c.mustEnd(os.Interrupt); err != nil {
		t.Errorf("it ended with %v", err)
	}
	c.requireNothingLeft()
}
