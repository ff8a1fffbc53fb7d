package dcm

import "slices"

// Permission is what a caller may do, for example "vms:write".
type Permission string

// The permissions of the API.
const (
	PermissionAll             Permission = "*"
	PermissionVMsRead         Permission = "vms:read"
	PermissionVMsWrite        Permission = "vms:write"
	PermissionWorkspacesRead  Permission = "workspaces:read"
	PermissionWorkspacesWrite Permission = "workspaces:write"
	PermissionTenantRead      Permission = "tenant:read"
	PermissionTenantWrite     Permission = "tenant:write"
	// PermissionPlatformAdmin is for the platform's owner. PermissionAll does
	// not include it, and it is never given by default.
	PermissionPlatformAdmin Permission = "platform:admin"
)

// Permissions lists every permission that a token may carry.
var Permissions = []Permission{
	PermissionAll,
	PermissionVMsRead, PermissionVMsWrite,
	PermissionWorkspacesRead, PermissionWorkspacesWrite,
	PermissionTenantRead, PermissionTenantWrite,
	PermissionPlatformAdmin,
}

// OfPlatform reports whether p reaches beyond the caller's own tenant. Such a
// permission is given by name alone, in the token.
func (p Permission) OfPlatform() bool { return p == PermissionPlatformAdmin }

// Principal is who is calling.
type Principal struct {
	Tenant      TenantID
	User        UserID
	Permissions []Permission
}

// May reports whether p has permission, by itself or through PermissionAll,
// which does not reach beyond the tenant.
func (p Principal) May(permission Permission) bool {
	return slices.Contains(p.Permissions, permission) ||
		!permission.OfPlatform() && slices.Contains(p.Permissions, PermissionAll)
}
