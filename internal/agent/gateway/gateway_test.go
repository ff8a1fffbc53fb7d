package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
)

const (
	hostname = "vm-k3j9x2m4qa.acme.vm.example.com"
	password = "a good password"
)

// vm is a gateway and the workspace behind it.
type vm struct {
	t *testing.T
	*gateway.Gateway
	clock    *clocktest.Clock
	servers  sync.Map // of the workspace: port to address
	activity atomic.Int64
	input    atomic.Int64
	status   atomic.Pointer[gateway.Status]
}

func newVM(t *testing.T, change ...func(*gateway.Options)) *vm {
	t.Helper()
	v := &vm{t: t, clock: clocktest.New(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC))}
	v.status.Store(&gateway.Status{Phase: dcm.PhaseReady})
	options := gateway.Options{
		Hostname: hostname, Password: dcm.NewSecret(password), Clock: v.clock,
		Shell:         func() *exec.Cmd { return exec.Command("sh") },
		Dial:          v.dial,
		TerminalInput: func() { v.input.Add(1) },
		HTTPActivity:  func() { v.activity.Add(1) },
		Status:        func() gateway.Status { return *v.status.Load() },
	}
	for _, c := range change {
		c(&options)
	}
	v.Gateway = gateway.New(options)
	t.Cleanup(v.Close)
	return v
}

func (v *vm) dial(ctx context.Context, port int) (net.Conn, error) {
	address, ok := v.servers.Load(port)
	if !ok {
		address = "127.0.0.1:1" // where nothing ever listens
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address.(string))
}

// listen serves on a port of the workspace.
func (v *vm) listen(port int, h http.HandlerFunc) {
	server := httptest.NewServer(h)
	v.t.Cleanup(server.Close)
	v.servers.Store(port, server.Listener.Addr().String())
}

// do answers one request.
func (v *vm) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Result()
}

// get makes a browser's request for a page.
func get(address string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	return r
}

func loginRequest(form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://ui."+hostname+"/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	return r
}

// mustLogIn returns the cookie.
func (v *vm) mustLogIn() *http.Cookie {
	v.t.Helper()
	answer := v.do(loginRequest(url.Values{"password": {password}}))
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 {
		v.t.Fatalf("logging in: %s, cookies %v", answer.Status, answer.Cookies())
	}
	return answer.Cookies()[0]
}

// with adds a cookie to a request.
func with(r *http.Request, c *http.Cookie) *http.Request {
	r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	return r
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serve puts the gateway behind a real listener, and returns a client that
// finds every name there.
func (v *vm) serve() *http.Client {
	server := httptest.NewServer(v)
	v.t.Cleanup(server.Close)
	return clientOf(server.Listener.Addr().String())
}

func clientOf(address string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
