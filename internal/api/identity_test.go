package api_test

import (
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
)

// bearer speaks with a token that says nothing but who it is.
func (w *world) bearer(who issuer.Identity) caller {
	w.t.Helper()
	token, err := w.Token(who)
	if err != nil {
		w.t.Fatal(err)
	}
	return caller{w, token.Reveal()}
}

// TestSingleTenant: without a tenant claim every valid token is of the tenant
// "default", and a token that says nothing of permissions has all but the
// platform's.
func TestSingleTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"TENANT_CLAIM": "", "DEFAULT_PERMISSIONS": "*"})
	ada := w.bearer(issuer.Identity{User: "ada"})
	m, vm := w.running(ada)
	if vm.TenantID != dcm.DefaultTenant || !strings.Contains(vm.Hostname, "."+string(dcm.DefaultTenant)+".") {
		t.Errorf("VM %+v", vm.VM)
	}
	// Another token, that even names another tenant, is of the same tenant.
	bob := w.bearer(issuer.Identity{User: "bob", Tenant: "acme"})
	if got := bob.get(vm.ID); got.ID != vm.ID {
		t.Errorf("bob sees %+v", got)
	}
	if got := ada.tenant(); got.ID != dcm.DefaultTenant {
		t.Errorf("tenant %+v", got)
	}
	quotas := map[string]any{"maxConcurrentVMs": 3}
	ada.call("PUT", "/admin/tenants/default/quotas", quotas).expect(t, 403)
	w.bearer(issuer.Identity{User: "eve", Permissions: []dcm.Permission{"*"}}).call("PUT", "/admin/tenants/default/quotas", quotas).expect(t, 403)
	w.bearer(issuer.Identity{User: "eve", Permissions: []dcm.Permission{dcm.PermissionVMsRead}}).call("POST", "/vms", w.launchBody()).expect(t, 403)
	w.bearer(issuer.Identity{User: "root", Permissions: []dcm.Permission{dcm.PermissionPlatformAdmin}}).
		call("PUT", "/admin/tenants/default/quotas", quotas).expect(t, 200)
	m.backup(0, []byte("x"))
	bob.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
	m.cleanup(1).expect(t, 202)
	users := map[dcm.UserID]bool{}
	for _, e := range ada.events() {
		users[e.User] = true
	}
	if !users["ada"] || !users["bob"] || !users["eve"] {
		t.Errorf("the log knows %v", users)
	}
	w.nothingLeft()
}

// TestManyTenants: the same code, with a claim: a token without it is nobody's,
// and one without permissions may do nothing.
func TestManyTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bearer(issuer.Identity{User: "ada", Permissions: []dcm.Permission{"*"}}).call("GET", "/vms", nil).expect(t, 401)
	w.bearer(issuer.Identity{User: "ada", Tenant: "Acme", Permissions: []dcm.Permission{"*"}}).call("GET", "/vms", nil).expect(t, 401)
	w.bearer(issuer.Identity{Tenant: "acme", Permissions: []dcm.Permission{"*"}}).call("GET", "/vms", nil).expect(t, 401)
	nothing := w.bearer(issuer.Identity{User: "ada", Tenant: "acme"})
	for path, permission := range map[string]dcm.Permission{
		"/vms": dcm.PermissionVMsRead, "/tenant": dcm.PermissionTenantRead, "/tenant/usage": dcm.PermissionTenantRead,
		"/tenant/events": dcm.PermissionTenantRead, "/tenant/orphans": dcm.PermissionTenantRead,
	} {
		if a := nothing.call("GET", path, nil).expect(t, 403); !strings.Contains(a.problem.Detail, string(permission)) {
			t.Errorf("%s: the 403 does not name %s: %s", path, permission, a.problem.Detail)
		}
	}
	_, vm := w.running(w.user("acme"))
	if vm.TenantID != "acme" {
		t.Errorf("VM %+v", vm.VM)
	}
	w.user(dcm.DefaultTenant).call("GET", "/vms/"+string(vm.ID), nil).expect(t, 404)
}
