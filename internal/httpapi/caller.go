package httpapi

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Identity says how an installation reads its callers' tokens.
type Identity struct {
	// TenantClaim is the claim that names the tenant. Empty: every valid token
	// is of dcm.DefaultTenant.
	TenantClaim string
	// DefaultPermissions are what a token gets that carries none of ours. What
	// is the platform's is never among them: only a token itself carries it.
	DefaultPermissions []dcm.Permission
}

// maxUserBytes bounds what a record keeps of its maker.
const maxUserBytes = 128

// Principal reads the claims that API Gateway's JWT authorizer verified. They
// arrive as strings, whatever they are in the token. CodeUnauthenticated.
func (i Identity) Principal(claims map[string]string) (dcm.Principal, error) {
	user := claims["sub"]
	switch {
	case user == "":
		return dcm.Principal{}, dcm.Errorf(dcm.CodeUnauthenticated, "the token names no user (sub)")
	case len(user) > maxUserBytes:
		return dcm.Principal{}, dcm.Errorf(dcm.CodeUnauthenticated, "the token's user (sub) is longer than 128 bytes")
	case plain(user) != user:
		return dcm.Principal{}, dcm.Errorf(dcm.CodeUnauthenticated, "the token's user (sub) holds characters that can't be shown")
	}
	tenant := dcm.DefaultTenant
	if i.TenantClaim != "" {
		tenant = dcm.TenantID(claims[i.TenantClaim])
		if tenant == "" {
			return dcm.Principal{}, dcm.Errorf(dcm.CodeUnauthenticated, "the token names no tenant (%s)", i.TenantClaim)
		}
	}
	if !tenant.Valid() {
		return dcm.Principal{}, dcm.Errorf(dcm.CodeUnauthenticated, "the token's tenant is not a DNS label of at most 32 characters")
	}
	return dcm.Principal{Tenant: tenant, User: dcm.UserID(user), Permissions: i.permissions(claims)}, nil
}

// permissions are those of ours that the token carries. A token for another
// purpose, with none of them, gets the installation's default.
func (i Identity) permissions(claims map[string]string) []dcm.Permission {
	known := map[string]bool{}
	for _, p := range dcm.Permissions {
		known[string(p)] = true
	}
	var found []dcm.Permission
	for _, claim := range []string{"scope", "scp", "permissions"} {
		for _, word := range words(claims[claim]) {
			if known[word] {
				found = append(found, dcm.Permission(word))
			}
		}
	}
	if len(found) == 0 {
		return slices.DeleteFunc(slices.Clone(i.DefaultPermissions), dcm.Permission.OfPlatform)
	}
	return found
}

// words splits a list in any shape that API Gateway delivers one, as measured:
// text as it is ("a b"), an array as "[a b]", whatever its elements are. A
// claim that was set as text may hold "a,b", or a JSON array.
//
// An object arrives as JSON, and an array may hold objects and arrays. What
// such a claim means is not ours to guess, so that it gives nothing: cut at its
// spaces, {"notes":"no vms:write yet"} would give vms:write.
func words(claim string) []string {
	claim = strings.TrimSpace(claim)
	var list []string
	if strings.HasPrefix(claim, `["`) && json.Unmarshal([]byte(claim), &list) == nil {
		return list
	}
	if strings.HasPrefix(claim, "[") && strings.HasSuffix(claim, "]") {
		claim = claim[1 : len(claim)-1]
	}
	if strings.ContainsAny(claim, `{}[]"'\`) {
		return nil
	}
	return strings.FieldsFunc(claim, func(r rune) bool { return r == ' ' || r == ',' })
}
