package hetzner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

func newClock() *clocktest.Clock { return clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)) }

// api is a simulated API over HTTP.
type api struct {
	*hetzner.Server
	url   string
	clock *clocktest.Clock
}

func newAPI(t *testing.T, o hetzner.Options) api {
	t.Helper()
	c := newClock()
	o.Clock = c
	o.Tokens = map[string]hetzner.Token{"full": {Project: "ours"}, "reader": {Project: "ours", ReadOnly: true}, "another": {}}
	s := hetzner.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.Close(); s.Close() })
	return api{s, server.URL + "/v1", c}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// code is the answer's error code, "" for success.
func (a answer) code() string {
	e, _ := a.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (a answer) at(keys ...string) any {
	var v any = a.body
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func (a api) call(t *testing.T, token, method, path string, body any) answer {
	t.Helper()
	var b bytes.Buffer
	if text, ok := body.(string); ok {
		b.WriteString(text)
	} else if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.url+path, &b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	out := answer{status: response.StatusCode, header: response.Header}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	return out
}

type fields map[string]any

func order(name string) fields {
	return fields{"name": name, "server_type": "cx23", "image": "debian-12", "location": "fsn1"}
}

func (f fields) with(key string, value any) fields {
	f[key] = value
	return f
}

func (a api) mustCreate(t *testing.T, name string) string {
	t.Helper()
	got := a.call(t, "full", "POST", "/servers", order(name))
	if got.status != 201 {
		t.Fatalf("create %s: %d %v", name, got.status, got.body)
	}
	return fmt.Sprintf("%.0f", got.at("server", "id"))
}

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("answers a server that initializes, and a password when there is no key", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t, hetzner.Options{})
		got := a.call(t, "full", "POST", "/servers", order("one").with("labels", fields{"k": "v"}))
		if got.status != 201 || got.at("server", "status") != "initializing" || got.at("action", "command") != "create_server" {
			t.Errorf("%d %v", got.status, got.body)
		}
		if password, _ := got.body["root_password"].(string); len(password) < 16 {
			t.Errorf("the password is %q", password)
		}
		if got.at("server", "labels", "k") != "v" || got.at("server", "server_type", "name") != "cx23" {
			t.Errorf("%v", got.body)
		}
		with := a.call(t, "full", "POST", "/servers", order("two").with("ssh_keys", []int{1}))
		if with.body["root_password"] != nil {
			t.Error("there is a password beside the key")
		}
	})
	for name, c := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"bad JSON":              {"{", 400, "json_error"},
		"a name with a blank":   {order("a b"), 422, "invalid_input"},
		"a name too long":       {order(strings.Repeat("a", 64)), 422, "invalid_input"},
		"user_data too long":    {order("a").with("user_data", strings.Repeat("x", 32*1024+1)), 422, "invalid_input"},
		"user_data just fits":   {order("a").with("user_data", strings.Repeat("x", 32*1024)), 201, ""},
		"a bad label key":       {order("a").with("labels", fields{"a/b/c": "v"}), 422, "invalid_input"},
		"a bad label value":     {order("a").with("labels", fields{"k": "2026-11-24T06:00:00"}), 422, "invalid_input"},
		"a label with a prefix": {order("a").with("labels", fields{"example.com/k": ""}), 201, ""},
		"an unknown type":       {order("a").with("server_type", "cx1000"), 422, "invalid_input"},
		"an unknown image":      {order("a").with("image", "beos"), 422, "invalid_input"},
		"an unknown location":   {order("a").with("location", "mars1"), 422, "invalid_input"},
		"not sold there":        {order("a").with("location", "ash"), 422, "invalid_input"},
		"no longer sold":        {order("a").with("server_type", "cpx11"), 422, "invalid_input"},
		"a type by id":          {order("a").with("server_type", 109), 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, hetzner.Options{})
			got := a.call(t, "full", "POST", "/servers", c.body)
			if got.status != c.status || got.code() != c.code {
				t.Errorf("%d %v", got.status, got.body)
			}
			if want := c.code == ""; (len(a.State()) == 1) != want {
				t.Errorf("there are %d servers", len(a.State()))
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{ServerLimit: 2})
	a.SetStock("cx23", "fsn1", 1)
	a.mustCreate(t, "one")
	if got := a.call(t, "full", "POST", "/servers", order("one")); got.status != 409 || got.code() != "uniqueness_error" {
		t.Errorf("the same name: %d %v", got.status, got.body)
	}
	if got := a.call(t, "full", "POST", "/servers", order("two")); got.status != 412 || got.code() != "resource_unavailable" {
		t.Errorf("sold out: %d %v", got.status, got.body)
	}
	if got := a.call(t, "another", "POST", "/servers", order("one").with("location", "nbg1")); got.status != 201 {
		t.Errorf("the same name in another project: %d %v", got.status, got.body)
	}
	a.SetStock("cx23", "fsn1", -1)
	a.mustCreate(t, "two")
	if got := a.call(t, "full", "POST", "/servers", order("three")); got.status != 403 || got.code() != "resource_limit_exceeded" {
		t.Errorf("a third: %d %v", got.status, got.body)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{RequestsPerHour: 3600})
	id := a.mustCreate(t, "one")
	for _, c := range []struct {
		token, method, path string
		status              int
		code                string
	}{
		{"nobody", "GET", "/servers", 401, "unauthorized"},
		{"", "GET", "/servers", 401, "unauthorized"},
		{"reader", "GET", "/servers/" + id, 200, ""},
		{"reader", "DELETE", "/servers/" + id, 403, "forbidden"},
		{"reader", "DELETE", "/servers/1", 403, "forbidden"},
		{"another", "GET", "/servers/" + id, 404, "not_found"},
		{"another", "DELETE", "/servers/" + id, 404, "not_found"},
		{"full", "GET", "/servers/1", 404, "not_found"},
		{"full", "GET", "/flying_saucers", 404, "not_found"},
		{"full", "GET", "/datacenters", 410, "deprecated_api_endpoint"},
		{"full", "GET", "/servers?page=0", 422, "invalid_input"},
		{"full", "GET", "/servers?label_selector=a%3D%3D%3Db", 422, "invalid_input"},
	} {
		got := a.call(t, c.token, c.method, c.path, nil)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s %s %s: %d %v", c.token, c.method, c.path, got.status, got.body)
		}
		if c.status != 401 && got.header.Get("RateLimit-Limit") != "3600" {
			t.Errorf("%s %s: no rate limit in %v", c.method, c.path, got.header)
		}
	}
	if len(a.State()) != 1 {
		t.Error("the server is gone")
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{RequestsPerHour: 3})
	for left := 2; left >= 0; left-- {
		if got := a.call(t, "full", "GET", "/servers", nil); got.header.Get("RateLimit-Remaining") != fmt.Sprint(left) {
			t.Errorf("remaining is %q, want %d", got.header.Get("RateLimit-Remaining"), left)
		}
	}
	if got := a.call(t, "full", "GET", "/servers", nil); got.status != 429 || got.code() != "rate_limit_exceeded" {
		t.Errorf("%d %v", got.status, got.body)
	}
	if got := a.call(t, "another", "GET", "/servers", nil); got.status != 200 {
		t.Errorf("another project: %d", got.status)
	}
	a.clock.Advance(20 * time.Minute)
	if got := a.call(t, "full", "GET", "/servers", nil); got.status != 200 {
		t.Errorf("after a third of an hour: %d", got.status)
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{DeleteDelay: time.Minute})
	id := a.mustCreate(t, "one")
	if got := a.call(t, "full", "DELETE", "/servers/"+id, nil); got.status != 200 || got.at("action", "command") != "delete_server" {
		t.Fatalf("%d %v", got.status, got.body)
	}
	if got := a.call(t, "full", "GET", "/servers/"+id, nil); got.at("server", "status") != "deleting" {
		t.Errorf("%v", got.body)
	}
	if got := a.call(t, "full", "DELETE", "/servers/"+id, nil); got.status != 423 {
		t.Errorf("again: %d %v", got.status, got.body)
	}
	if got := a.call(t, "full", "POST", "/servers", order("one")); got.status != 409 {
		t.Errorf("the name: %d", got.status)
	}
	a.clock.Advance(time.Minute)
	if got := a.call(t, "full", "GET", "/servers/"+id, nil); got.status != 404 || len(a.State()) != 0 {
		t.Errorf("a minute later: %d, %v", got.status, a.State())
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{})
	for i := range 51 {
		a.mustCreate(t, fmt.Sprintf("s%d", i))
	}
	got := a.call(t, "full", "GET", "/servers?per_page=1000&page=1", nil)
	list, _ := got.body["servers"].([]any)
	if len(list) != 50 || got.at("meta", "pagination", "next_page") != 2.0 || got.at("meta", "pagination", "total_entries") != 51.0 {
		t.Errorf("%d servers, %v", len(list), got.body["meta"])
	}
	got = a.call(t, "full", "GET", "/servers?per_page=50&page=2", nil)
	list, _ = got.body["servers"].([]any)
	if len(list) != 1 || got.at("meta", "pagination", "next_page") != nil || got.at("meta", "pagination", "previous_page") != 1.0 {
		t.Errorf("%d servers, %v", len(list), got.body["meta"])
	}
	got = a.call(t, "full", "GET", "/servers?name=s7", nil)
	if list, _ = got.body["servers"].([]any); len(list) != 1 {
		t.Errorf("by name: %v", got.body)
	}
}

func TestTheRest(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{})
	id := a.mustCreate(t, "one")
	if got := a.call(t, "full", "PUT", "/servers/"+id, fields{"labels": fields{"k": "v"}}); got.at("server", "labels", "k") != "v" {
		t.Errorf("update: %v", got.body)
	}
	if got := a.call(t, "full", "GET", "/servers?label_selector=k%3D%3Dv", nil); got.at("meta", "pagination", "total_entries") != 1.0 {
		t.Errorf("by label: %v", got.body["meta"])
	}
	off := a.call(t, "full", "POST", "/servers/"+id+"/actions/poweroff", nil)
	if off.status != 201 || a.State()[0].Status != "off" {
		t.Errorf("power off: %d, %v", off.status, a.State())
	}
	action := fmt.Sprintf("/actions/%.0f", off.at("action", "id"))
	if got := a.call(t, "full", "GET", action, nil); got.at("action", "status") != "success" {
		t.Errorf("the action: %v", got.body)
	}
	if a.call(t, "full", "POST", "/servers/"+id+"/actions/poweron", nil); a.State()[0].Status != "running" {
		t.Errorf("power on: %v", a.State())
	}
	for path, key := range map[string]string{"/server_types": "server_types", "/locations": "locations", "/images": "images", "/ssh_keys": "ssh_keys"} {
		if got := a.call(t, "full", "GET", path, nil); got.body[key] == nil || got.at("meta", "pagination", "page") != 1.0 {
			t.Errorf("%s: %d %v", path, got.status, got.body)
		}
	}
	if got := a.call(t, "full", "GET", "/pricing", nil); got.at("pricing", "currency") != "EUR" {
		t.Errorf("pricing: %v", got.body)
	}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me"
	made := a.call(t, "full", "POST", "/ssh_keys", fields{"name": "me", "public_key": key})
	if made.status != 201 || a.call(t, "full", "POST", "/ssh_keys", fields{"name": "you", "public_key": key}).status != 409 {
		t.Errorf("a key: %d %v", made.status, made.body)
	}
	keyPath := fmt.Sprintf("/ssh_keys/%.0f", made.at("ssh_key", "id"))
	if a.call(t, "full", "GET", keyPath, nil).status != 200 || a.call(t, "full", "DELETE", keyPath, nil).status != 204 || a.call(t, "full", "GET", keyPath, nil).status != 404 {
		t.Error("the key does not come and go")
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"POST /v1/servers": "CreateServer", "GET /v1/servers": "ListServers", "GET /v1/servers/4": "GetServer",
		"DELETE /v1/servers/4": "DeleteServer", "POST /v1/servers/4/actions/poweroff": "PoweroffServer", "GET /v1/actions/9": "GetAction",
		"GET /v1/server_types?name=x": "ListServerTypes", "GET /v1/servers/four": "", "PATCH /v1/servers": "", "GET /servers": "", "GET /v1/": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := hetzner.Operation(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"uniqueness_error": 409, "rate_limit_exceeded": 429, "resource_unavailable": 412, "something_new": 500,
		"invalid_input:unsupported location for server type": 422,
	} {
		w := httptest.NewRecorder()
		hetzner.WriteError(w, nil, code)
		var body struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		name, message, own := strings.Cut(code, ":")
		if w.Code != want || body.Error.Code != name || body.Error.Message == "" || (own && body.Error.Message != message) {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
	}
}
