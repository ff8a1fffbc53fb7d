package edge_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/edge"
)

const hostname = "vm-k3j9x2m4qa.default.vm.localhost"

// newEdge serves an edge in front of agent; DNS knows hostname at 203.0.113.7,
// and another name whose server has no agent.
func newEdge(t *testing.T, agent http.Handler) *httptest.Server {
	t.Helper()
	a := httptest.NewServer(agent)
	t.Cleanup(a.Close)
	records := map[string]string{"*." + hostname: "203.0.113.7", "*.booting.vm.localhost": "203.0.113.8"}
	e := httptest.NewServer(edge.New(edge.Options{
		Resolve: func(name string) string { return records[name] },
		Locate: func(ip string) string {
			if ip == "203.0.113.7" {
				return a.Listener.Addr().String()
			}
			return ""
		},
		Names: func() []string { return []string{"*." + hostname} },
	}))
	t.Cleanup(e.Close)
	return e
}

func get(t *testing.T, e *httptest.Server, host string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/path?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := e.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func TestRequestsReachTheAgentAsTheyAre(t *testing.T) {
	t.Parallel()
	e := newEdge(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For")+r.Header.Get("X-Forwarded-Host") != "" {
			t.Errorf("headers were added: %v", r.Header)
		}
		_, _ = io.WriteString(w, r.Host+" "+r.RequestURI)
	}))
	for _, host := range []string{"ui." + hostname + ":7080", "3000." + hostname, "UI." + strings.ToUpper(hostname)} {
		if status, body := get(t, e, host); status != http.StatusOK || body != host+" /path?q=1" {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
}

func TestWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	e := newEdge(t, http.NotFoundHandler())
	for host, status := range map[string]int{
		"localhost":                 http.StatusNotFound,
		"127.0.0.1:7080":            http.StatusNotFound,
		hostname:                    http.StatusNotFound,
		"a.b." + hostname:           http.StatusNotFound,
		"ui.elsewhere.vm.localhost": http.StatusNotFound,
		"ui.booting.vm.localhost":   http.StatusBadGateway,
	} {
		got, body := get(t, e, host)
		if got != status || !strings.Contains(body, "*."+hostname) {
			t.Errorf("%s: %d %s", host, got, body)
		}
	}
}

func TestAnAgentThatIsGone(t *testing.T) {
	t.Parallel()
	e := newEdge(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if status, body := get(t, e, "ui."+hostname); status != http.StatusBadGateway || !strings.Contains(body, "did not answer") {
		t.Errorf("%d %s", status, body)
	}
}

func TestWebSockets(t *testing.T) {
	t.Parallel()
	e := newEdge(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		kind, b, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, append([]byte("echo "), b...))
		}
		if err != nil {
			t.Error(err)
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	}))
	ctx := context.WithoutCancel(t.Context())
	c, _, err := websocket.Dial(ctx, e.URL, &websocket.DialOptions{Host: "ui." + hostname, HTTPClient: e.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(ctx); err != nil || string(b) != "echo hello" {
		t.Errorf("read %q, %v", b, err)
	}
}
