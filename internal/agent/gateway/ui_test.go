package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/gateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const ui = "http://ui." + hostname

func TestTerminalAPI(t *testing.T) {
	t.Parallel()

	t.Run("opens, lists, attaches and closes", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		cookie, client := v.mustLogIn(), v.serve()
		answer := v.do(with(httptest.NewRequest(http.MethodPost, ui+"/api/sessions", strings.NewReader(`{"cols":90,"rows":30}`)), cookie))
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("%s", answer.Status)
		}
		var session struct{ ID string }
		if err := json.NewDecoder(answer.Body).Decode(&session); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "ws://ui."+hostname+"/api/sessions/"+session.ID+"/attach", &websocket.DialOptions{
			HTTPClient: client, HTTPHeader: http.Header{"Origin": {ui}, "Cookie": {cookie.Name + "=" + cookie.Value}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		if err := conn.Write(ctx, websocket.MessageBinary, []byte("stty size; echo done-$((1+1))\r")); err != nil {
			t.Fatal(err)
		}
		var output strings.Builder
		for !strings.Contains(output.String(), "done-2") {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("%v after %q", err, output.String())
			}
			if kind == websocket.MessageBinary {
				output.Write(message)
			}
		}
		if !strings.Contains(output.String(), "30 90") || v.input.Load() != 1 {
			t.Errorf("%d inputs, output %q", v.input.Load(), output.String())
		}
		v.do(with(httptest.NewRequest(http.MethodDelete, ui+"/api/sessions/"+session.ID, nil), cookie))
		if list := body(t, v.do(with(get(ui+"/api/sessions"), cookie))); strings.TrimSpace(list) != `{"items":[]}` {
			t.Errorf("still listed: %s", list)
		}
	})

	t.Run("waits until the workspace is ready", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		v.status.Store(&gateway.Status{Phase: dcm.PhaseCloning, Message: "git clone", Problem: &dcm.Problem{Code: "clone_failed", Message: "no such branch"}})
		cookie := v.mustLogIn()
		if answer := v.do(with(httptest.NewRequest(http.MethodPost, ui+"/api/sessions", nil), cookie)); answer.StatusCode != http.StatusConflict {
			t.Errorf("%s", answer.Status)
		}
		want := `{"phase":"cloning","message":"git clone","problem":{"code":"clone_failed","message":"no such branch"}}`
		if got := body(t, v.do(with(get(ui+"/api/status"), cookie))); strings.TrimSpace(got) != want {
			t.Errorf("status %s", got)
		}
	})

	t.Run("is not work where a page only asks", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		cookie := v.mustLogIn()
		before := v.activity.Load()
		for _, path := range []string{"/api/status", "/api/sessions", "/static/page/main.js"} {
			v.do(with(get(ui+path), cookie))
		}
		if n := v.activity.Load() - before; n != 0 {
			t.Errorf("counted %d times", n)
		}
	})

	t.Run("says why a shell did not start", func(t *testing.T) {
		t.Parallel()
		v := newVM(t, func(o *gateway.Options) { o.Shell = func() *exec.Cmd { return exec.Command("/no/such/shell") } })
		answer := v.do(with(httptest.NewRequest(http.MethodPost, ui+"/api/sessions", nil), v.mustLogIn()))
		if text := body(t, answer); answer.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "/no/such/shell") {
			t.Errorf("%s: %s", answer.Status, text)
		}
	})

	t.Run("is refused to pages of other origins", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		cookie := v.mustLogIn()
		for _, origin := range []string{"http://3000." + hostname, "http://ui.vm-other.acme.vm.example.com", "https://ui." + hostname, "null", "http://evil.test"} {
			for _, r := range []*http.Request{
				httptest.NewRequest(http.MethodPost, ui+"/api/sessions", nil),
				httptest.NewRequest(http.MethodDelete, ui+"/api/sessions/x", nil),
				httptest.NewRequest(http.MethodPost, ui+"/logout", nil),
				httptest.NewRequest(http.MethodGet, ui+"/api/sessions/x/attach", nil),
			} {
				if r.Method != http.MethodGet && strings.HasPrefix(origin, "https://ui.") {
					continue // over TLS or not is for the browser to hold apart
				}
				r.Header.Set("Origin", origin)
				if answer := v.do(with(r, cookie)); answer.StatusCode != http.StatusForbidden {
					t.Errorf("%s %s from %s: %s", r.Method, r.URL.Path, origin, answer.Status)
				}
			}
		}
	})

	t.Run("knows no other session", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		if answer := v.do(with(get(ui+"/api/sessions/nobody/attach"), v.mustLogIn())); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s", answer.Status)
		}
	})
}

func TestTerminalPage(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	answer := v.do(with(get(ui+"/"), v.mustLogIn()))
	page := body(t, answer)
	// Whether "make web" was run decides which of the two is right.
	if _, err := os.Stat("web/assets/xterm.mjs"); errors.Is(err, os.ErrNotExist) {
		if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "make web") {
			t.Errorf("without xterm.js: %s: %s", answer.Status, page)
		}
		return
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, `data-hostname="`+hostname+`"`) {
		t.Errorf("%s: %s", answer.Status, page)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; script-src 'self';") || !strings.Contains(policy, "connect-src 'self' ws://ui."+hostname+";") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(page, "://") {
		t.Error("the page names another place")
	}
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	for path, want := range map[string]int{
		"/static/page/login.css":     http.StatusOK,
		"/static/page/main.js":       http.StatusOK,
		"/static/page/terminal.html": http.StatusNotFound,
		"/static/page/":              http.StatusNotFound,
		"/static/":                   http.StatusNotFound,
		"/static/package.json":       http.StatusNotFound,
		"/static/../gateway.go":      http.StatusTemporaryRedirect,
	} {
		if answer := v.do(get(ui + path)); answer.StatusCode != want && !(want == http.StatusTemporaryRedirect && answer.StatusCode/100 == 3) {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	if got := v.do(get(ui + "/static/page/main.js")).Header.Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("a module of type %q", got)
	}
}
