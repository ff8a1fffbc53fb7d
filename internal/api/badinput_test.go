package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// bad is one request that must be refused: with what code, and naming which
// field.
type bad struct {
	name         string
	method, path string
	body         any
	headers      []string
	code         dcm.Code
	field        string
}

// launchWith is a good launch but for one field.
func (w *world) launchWith(field string, value any) map[string]any {
	body := maps.Clone(w.launchBody())
	body[field] = value
	return body
}

// TestBadInput makes many bad requests. Each is answered with the right code
// and the field's name, and none leaves a trace.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm1vEbPo0bQ6y0m3g0oH5vQm2Jm0Yg0mQ9c7q0y1m2n"
	var cases []bad
	create := func(name, field string, value any) {
		cases = append(cases, bad{name, "POST", "/vms", w.launchWith(field, value), nil, dcm.CodeInvalid, field})
	}
	create("name missing", "name", "")
	create("name null", "name", nil)
	create("name is a number", "name", 7)
	create("name too long", "name", strings.Repeat("x", 64))
	create("name with a newline", "name", "a\nb")
	create("name with a NUL", "name", "a\x00b")
	create("name with a bidi override", "name", "a\u202eb")
	create("repository missing", "repoUrl", "")
	create("repository over http", "repoUrl", "http://example.com/a")
	create("repository over git", "repoUrl", "git://example.com/a")
	create("repository as a helper", "repoUrl", "ext::sh -c id")
	create("repository as an option", "repoUrl", "--upload-pack=id")
	create("repository with a token", "repoUrl", "https://x:y@example.com/a")
	create("repository on loopback", "repoUrl", "https://127.0.0.1/a")
	create("repository at the metadata address", "repoUrl", "https://169.254.169.254/a")
	create("repository on localhost", "repoUrl", "https://localhost/a")
	create("repository with a space", "repoUrl", "https://example.com/a b")
	create("repository with a quote", "repoUrl", "https://example.com/a'b")
	create("repository too long", "repoUrl", "https://example.com/"+strings.Repeat("a", 512))
	create("repository without a path", "repoUrl", "https://example.com")
	create("branch as an option", "branch", "--x")
	create("branch with dots", "branch", "a..b")
	create("branch with a control character", "branch", "a\tb")
	create("branch is a list", "branch", []string{"main"})
	create("size missing", "size", "")
	create("size nobody sells", "size", "gigantic")
	create("size in capitals", "size", "SMALL")
	create("provider unknown", "provider", "aws")
	create("region unknown", "region", "mars1")
	create("workspace id malformed", "workspaceId", "x")
	create("workspace id of a VM", "workspaceId", "vm-abcdefghjk")
	create("key not a key", "sshPublicKey", "hello")
	create("key private", "sshPublicKey", "-----BEGIN OPENSSH PRIVATE KEY-----")
	create("key with options", "sshPublicKey", `command="id" `+key)
	create("two keys", "sshPublicKey", key+"\n"+key)
	create("idle too short", "idleTimeoutMinutes", 4)
	create("idle too long", "idleTimeoutMinutes", 1441)
	create("idle a string", "idleTimeoutMinutes", "30")
	create("idle a fraction", "idleTimeoutMinutes", 5.5)
	create("idle beyond integers", "idleTimeoutMinutes", 1e30)
	create("lifetime too short", "maxLifetimeMinutes", 14)
	create("lifetime too long", "maxLifetimeMinutes", 10081)
	create("unknown field", "tenantId", "other")
	create("field in another case", "RepoUrl", "https://example.com/a")
	cases = append(cases,
		bad{"no body", "POST", "/vms", nil, nil, dcm.CodeInvalid, "name"},
		bad{"not JSON", "POST", "/vms", "name=x", nil, dcm.CodeInvalid, "body"},
		bad{"a list", "POST", "/vms", "[]", nil, dcm.CodeInvalid, "body"},
		bad{"two documents", "POST", "/vms", `{"name":"a"}{}`, nil, dcm.CodeInvalid, "body"},
		bad{"field given twice", "POST", "/vms", `{"name":"a","name":"b"}`, nil, dcm.CodeInvalid, "name"},
		bad{"body too large", "POST", "/vms", `{"name":"` + strings.Repeat("x", 65<<10) + `"}`, nil, dcm.CodeInvalid, "body"},
		bad{"idempotency key too long", "POST", "/vms", w.launchBody(), []string{"Idempotency-Key", strings.Repeat("k", 129)}, dcm.CodeInvalid, "Idempotency-Key"},
		bad{"idempotency key with a space", "POST", "/vms", w.launchBody(), []string{"Idempotency-Key", "a b"}, dcm.CodeInvalid, "Idempotency-Key"},
		bad{"workspace that isn't there", "POST", "/vms", w.launchWith("workspaceId", "ws-abcdefghjk"), nil, dcm.CodeNotFound, ""},
		bad{"limit zero", "GET", "/vms?limit=0", nil, nil, dcm.CodeInvalid, "limit"},
		bad{"limit too large", "GET", "/vms?limit=101", nil, nil, dcm.CodeInvalid, "limit"},
		bad{"limit a word", "GET", "/vms?limit=all", nil, nil, dcm.CodeInvalid, "limit"},
		bad{"limit twice", "GET", "/vms?limit=1&limit=2", nil, nil, dcm.CodeInvalid, "limit"},
		bad{"status unknown", "GET", "/vms?status=dead", nil, nil, dcm.CodeInvalid, "status"},
		bad{"cursor made up", "GET", "/vms?cursor=abc", nil, nil, dcm.CodeInvalid, "cursor"},
		bad{"cursor empty", "GET", "/vms?cursor=", nil, nil, dcm.CodeInvalid, "cursor"},
		bad{"cursor too long", "GET", "/vms?cursor=" + strings.Repeat("a", 1025), nil, nil, dcm.CodeInvalid, "cursor"},
		bad{"workspace filter malformed", "GET", "/vms?workspaceId=../x", nil, nil, dcm.CodeInvalid, "workspaceId"},
		bad{"parameter unknown", "GET", "/vms?tenant=other", nil, nil, dcm.CodeInvalid, "tenant"},
		bad{"VM id malformed", "GET", "/vms/x", nil, nil, dcm.CodeNotFound, ""},
		bad{"VM id unknown", "GET", "/vms/vm-abcdefghjk", nil, nil, dcm.CodeNotFound, ""},
		bad{"VM id with a slash", "GET", "/vms/vm-abcdefghjk%2F..", nil, nil, dcm.CodeNotFound, ""},
		bad{"delete unknown", "DELETE", "/vms/vm-abcdefghjk", nil, nil, dcm.CodeNotFound, ""},
		bad{"force a word", "DELETE", "/vms/vm-abcdefghjk?force=yes", nil, nil, dcm.CodeInvalid, "force"},
		bad{"workspace unknown", "GET", "/workspaces/ws-abcdefghjk", nil, nil, dcm.CodeNotFound, ""},
		bad{"workspace id malformed", "GET", "/workspaces/..", nil, nil, dcm.CodeNotFound, ""},
	)
	before := w.State()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := user.call(c.method, c.path, c.body, c.headers...)
			if a.problem.Code != c.code || a.problem.RequestID == "" || a.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			var fields []string
			for _, f := range a.problem.Errors {
				fields = append(fields, f.Field)
			}
			if c.field != "" && !slices.Contains(fields, c.field) {
				t.Errorf("fields %v, want %s", fields, c.field)
			}
		})
	}
	after := w.State()
	if len(after.Servers) != 0 || len(after.DNSRecords) != 0 || len(after.Objects) != len(before.Objects) {
		t.Errorf("something was made: %+v", after)
	}
	if left := withoutEvents(t, w.dump()); left != "[]" {
		t.Errorf("something was written: %s", left)
	}
	if n := total(after.Calls["hetzner"]) - total(before.Calls["hetzner"]); n != 0 {
		t.Errorf("%d calls to the provider", n)
	}
}

// TestPermissionsOfRoutes tries each route with every permission but its own.
func TestPermissionsOfRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, r := range []struct {
		method, path string
		needs        dcm.Permission
	}{
		{"POST", "/vms", dcm.PermissionVMsWrite},
		{"GET", "/vms", dcm.PermissionVMsRead},
		{"GET", "/vms/vm-abcdefghjk", dcm.PermissionVMsRead},
		{"DELETE", "/vms/vm-abcdefghjk", dcm.PermissionVMsWrite},
		{"GET", "/workspaces/ws-abcdefghjk", dcm.PermissionWorkspacesRead},
	} {
		for _, p := range dcm.Permissions {
			status := w.user("acme", p).call(r.method, r.path, nil).status
			allowed := p == r.needs || p == dcm.PermissionAll
			if (status != 403) != allowed {
				t.Errorf("%s %s with %s: status %d", r.method, r.path, p, status)
			}
		}
		if a := (caller{w: w}).call(r.method, r.path, nil); a.status != 401 {
			t.Errorf("%s %s without a token: status %d", r.method, r.path, a.status)
		}
	}
}
