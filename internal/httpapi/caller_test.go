package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// TestClaimShapes: what each claim gives in the shapes that API Gateway
// delivers. Text stays as it is, an array is "[a b]", numbers and booleans are
// text, an object is JSON, null is left out.
func TestClaimShapes(t *testing.T) {
	t.Parallel()
	const read, write = dcm.PermissionVMsRead, dcm.PermissionVMsWrite
	for name, c := range map[string]struct {
		claim, value string
		want         []dcm.Permission
	}{
		"scope, text":                       {"scope", "openid vms:read vms:write", []dcm.Permission{read, write}},
		"scope, array":                      {"scope", "[openid vms:read]", []dcm.Permission{read}},
		"scp, text":                         {"scp", "vms:read", []dcm.Permission{read}},
		"scp, array":                        {"scp", "[vms:read vms:write]", []dcm.Permission{read, write}},
		"permissions, array":                {"permissions", "[vms:read vms:write]", []dcm.Permission{read, write}},
		"permissions, array of one":         {"permissions", "[vms:read]", []dcm.Permission{read}},
		"permissions, empty array":          {"permissions", "[]", nil},
		"permissions, JSON in text":         {"permissions", `["vms:read", "vms:write"]`, []dcm.Permission{read, write}},
		"permissions, JSON, one with space": {"permissions", `["x vms:read y"]`, nil},
		"permissions, commas":               {"permissions", "vms:read, vms:write", []dcm.Permission{read, write}},
		"permissions, extra spaces":         {"permissions", "  vms:read   vms:write ", []dcm.Permission{read, write}},
		"permissions, a number":             {"permissions", "7", nil},
		"permissions, a boolean":            {"permissions", "true", nil},
		"permissions, an object":            {"permissions", `{"vms:read":true}`, nil},
		"permissions, an object's text":     {"permissions", `{"notes":"no vms:read yet"}`, nil},
		"permissions, an object in text":    {"permissions", `map[notes:no vms:read yet]`, nil},
		"permissions, arrays in an array":   {"permissions", "[[x vms:read y] z]", nil},
		"permissions, objects in an array":  {"permissions", `[{"not": "a vms:read b"}]`, nil},
		"permissions, quotes":               {"permissions", `"vms:read"`, nil},
		"permissions, nested quotes":        {"permissions", `"\"x\" vms:read"`, nil},
		"permissions, broken JSON":          {"permissions", `["vms:read"`, nil},
		"permissions, another case":         {"permissions", "VMS:READ", nil},
		"permissions, a homograph":          {"permissions", "vms:reаd", nil},
		"permissions, a prefix":             {"permissions", "api/vms:read vms:read:all", nil},
		"permissions, a new line":           {"permissions", "x\nvms:read", nil},
		"groups are no permissions":         {"cognito:groups", "[vms:read *]", nil},
		"roles are no permissions":          {"roles", "[vms:read *]", nil},
		"another case of the claim":         {"Permissions", "[vms:read]", nil},
		"all":                               {"permissions", "[*]", []dcm.Permission{dcm.PermissionAll}},
		"all within a word":                 {"permissions", "[vms:*]", nil},
		"the platform's":                    {"permissions", "[platform:admin]", []dcm.Permission{dcm.PermissionPlatformAdmin}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := httpapi.Identity{TenantClaim: "tenant_id"}
			p, err := i.Principal(map[string]string{"sub": "u", "tenant_id": "acme", "exp": "1795502600", c.claim: c.value})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Permissions, c.want) {
				t.Errorf("%v, want %v", p.Permissions, c.want)
			}
		})
	}
}

// TestPlatformIsNeverByDefault: only a token that names it may do what is the
// platform's.
func TestPlatformIsNeverByDefault(t *testing.T) {
	t.Parallel()
	defaults := []dcm.Permission{dcm.PermissionAll, dcm.PermissionPlatformAdmin}
	for _, tenantClaim := range []string{"", "tenant_id"} {
		i := httpapi.Identity{TenantClaim: tenantClaim, DefaultPermissions: defaults}
		for claim, may := range map[string]bool{
			"": false, "openid": false, "*": false, "vms:read": false,
			"platform:admin": true, "* platform:admin": true, "platform:*": false, "platform:admin2": false,
		} {
			p, err := i.Principal(map[string]string{"sub": "u", "tenant_id": "acme", "scope": claim})
			if err != nil {
				t.Fatal(err)
			}
			if p.May(dcm.PermissionPlatformAdmin) != may {
				t.Errorf("tenant claim %q, scope %q: may is %v", tenantClaim, claim, !may)
			}
		}
	}
	if !slices.Contains(defaults, dcm.PermissionPlatformAdmin) {
		t.Error("the configuration was changed")
	}
	admin := dcm.Principal{Permissions: []dcm.Permission{dcm.PermissionPlatformAdmin}}
	for _, p := range dcm.Permissions {
		if admin.May(p) != (p == dcm.PermissionPlatformAdmin) {
			t.Errorf("the platform's owner may %s in a tenant: %v", p, admin.May(p))
		}
	}
}

func TestWhoIsCalling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user, tenant string
		known        bool
	}{
		"plain":               {"auth0|ada", "acme", true},
		"an address":          {"ada@example.com", "acme", true},
		"a number":            {"1042", "42", true},
		"no user":             {"", "acme", false},
		"a new line":          {"ada\nroot", "acme", false},
		"turned around":       {"ada\u202e", "acme", false},
		"not UTF-8":           {"ada\xff", "acme", false},
		"too long":            {strings.Repeat("a", 129), "acme", false},
		"no tenant":           {"ada", "", false},
		"a list of tenants":   {"ada", "[acme]", false},
		"an object":           {"ada", `{"id":"acme"}`, false},
		"a boolean is a name": {"ada", "true", true},
		"upper case":          {"ada", "ACME", false},
		"a key's separator":   {"ada", "acme#VM", false},
		"a path":              {"ada", "../acme", false},
		"a space":             {"ada", "acme ", false},
		"a new line after it": {"ada", "acme\n", false},
		"too long a tenant":   {"ada", strings.Repeat("a", 33), false},
		"a hyphen first":      {"ada", "-acme", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := httpapi.Identity{TenantClaim: "tenant_id"}.Principal(map[string]string{"sub": c.user, "tenant_id": c.tenant, "scope": "*"})
			if (err == nil) != c.known || err != nil && dcm.ErrorCode(err) != dcm.CodeUnauthenticated {
				t.Fatalf("error %v", err)
			}
			if err == nil && (string(p.Tenant) != c.tenant || string(p.User) != c.user) {
				t.Errorf("principal %+v", p)
			}
		})
	}
}
