package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// callsOf is what an operation may call at most. Of a change's calls to
// DynamoDB, one is its entry in the audit log.
type callsOf struct {
	name                                   string
	dynamodb, kms, hetzner, cloudflare, s3 int
	do                                     func()
}

// TestCallsPerTenantOperation holds the second half of the table of calls: what
// tenants' settings and workspaces cost. docs/figures.md shows it.
func TestCallsPerTenantOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	w.AddHetznerSSHKey("acme", 4711, "laptop")
	user, admin := w.user("acme"), w.user("platform", dcm.PermissionPlatformAdmin)
	id, doomed := user.saved([]byte("x")), user.saved([]byte("y"))
	held, vm := w.running(user)
	held.backup(0, []byte("z"))
	account := w.providerBody()
	account["sshKeyId"] = "4711"
	call := func(method, path string, body any, status int) func() {
		return func() { user.call(method, path, body).expect(t, status) }
	}
	operations := []callsOf{
		{"GET /tenant", 1, 0, 0, 0, 0, call("GET", "/tenant", nil, 200)},
		{"PUT /tenant", 3, 0, 0, 0, 0, call("PUT", "/tenant", map[string]any{"name": "Acme"}, 200)},
		{"GET /tenant/usage", 1, 0, 0, 0, 0, call("GET", "/tenant/usage", nil, 200)},
		{"GET /tenant/events", 1, 0, 0, 0, 0, call("GET", "/tenant/events", nil, 200)},
		{"GET /tenant/orphans", 1, 0, 0, 0, 0, call("GET", "/tenant/orphans", nil, 200)},
		{"GET /workspaces", 1, 0, 0, 0, 0, call("GET", "/workspaces", nil, 200)},
		{"GET /workspaces/{id}", 1, 0, 0, 0, 0, call("GET", "/workspaces/"+string(id), nil, 200)},
		{"POST /workspaces/{id}/rotate-key, free", 5, 1, 0, 0, 0, call("POST", "/workspaces/"+string(id)+"/rotate-key", nil, 202)},
		{"POST /workspaces/{id}/rotate-key, in use", 5, 1, 0, 0, 0, call("POST", "/workspaces/"+string(vm.WorkspaceID)+"/rotate-key", nil, 202)},
		{"DELETE /workspaces/{id}", 3, 0, 0, 0, 0, call("DELETE", "/workspaces/"+string(doomed), nil, 202)},
		// The tenant's first account of all brings the accounts key along.
		{"POST /tenant/providers, first", 5, 2, 3, 0, 0, call("POST", "/tenant/providers", account, 201)},
		{"POST /tenant/providers, replaced", 4, 1, 3, 0, 0, call("POST", "/tenant/providers", account, 201)},
		{"DELETE /tenant/providers/{name}", 2, 0, 0, 0, 0, call("DELETE", "/tenant/providers/hetzner", nil, 200)},
		{"POST /tenant/dns", 4, 1, 0, 2, 0, call("POST", "/tenant/dns", w.dnsBody(), 201)},
		{"DELETE /tenant/dns", 2, 0, 0, 0, 0, call("DELETE", "/tenant/dns", nil, 200)},
		{"POST /tenant/storage", 4, 1, 0, 0, 15, call("POST", "/tenant/storage", w.storageBody(), 201)},
		{"DELETE /tenant/storage", 2, 0, 0, 0, 0, call("DELETE", "/tenant/storage", nil, 200)},
		{"PUT /admin/tenants/{id}/quotas", 3, 0, 0, 0, 0, func() {
			admin.call("PUT", "/admin/tenants/acme/quotas", map[string]any{"maxConcurrentVMs": 3}).expect(t, 200)
		}},
		{"GET /openapi.json", 0, 0, 0, 0, 0, call("GET", "/openapi.json", nil, 200)},
	}
	var table strings.Builder
	for _, o := range operations {
		calls := w.callsDuring(o.do)
		fmt.Fprintf(&table, "\n| %s | %d | %d | %d | %d | %d |", o.name,
			total(calls["dynamodb"]), total(calls["kms"]), total(calls["hetzner"]), total(calls["cloudflare"]), total(calls["s3"]))
		for service, most := range map[string]int{
			"dynamodb": o.dynamodb, "kms": o.kms, "hetzner": o.hetzner, "cloudflare": o.cloudflare, "s3": o.s3, "ssm": 0,
		} {
			if n := total(calls[service]); n > most {
				t.Errorf("%s: %d calls to %s, at most %d are promised: %v", o.name, n, service, most, calls[service])
			}
		}
	}
	t.Log(table.String())
}
