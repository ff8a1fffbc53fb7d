// Package cognito decides what the access tokens of infra/cognito.yaml's user
// pool say: whose tenant a user is in, and what the user may do there.
//
// Both come from the user's groups and from nothing else. Groups are the
// operator's to give, with AWS credentials; a user can change attributes, and
// whoever signs in passes along metadata.
//
//	tenant:acme     the user belongs to tenant acme
//	may:vms:write   the user has the permission vms:write; may:* is all of them
//
// The function is no part of template.yaml, whose functions/ this is not in:
// an installation with another identity provider never has it.
package cognito

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// What groups are called.
const (
	TenantPrefix     = "tenant:"
	PermissionPrefix = "may:"
)

// Event is a pre token generation event, version 2 or 3. Whatever else is in
// it goes back as it came.
type Event map[string]json.RawMessage

type request struct {
	GroupConfiguration struct {
		GroupsToOverride []string `json:"groupsToOverride"`
	} `json:"groupConfiguration"`
}

type response struct {
	Details struct {
		AccessToken accessToken `json:"accessTokenGeneration"`
	} `json:"claimsAndScopeOverrideDetails"`
}

type accessToken struct {
	Claims map[string]string `json:"claimsToAddOrOverride"`
}

// PreToken adds tenant_id and permissions to the access token. A user in no
// tenant gets neither, and so may do nothing. An error refuses the token: the
// user's groups are contradictory, and no reading of them is safe.
func PreToken(_ context.Context, e Event) (Event, error) {
	var q request
	if err := json.Unmarshal(e["request"], &q); err != nil {
		return nil, fmt.Errorf("read the event's request: %w", err)
	}
	claims, err := Claims(q.GroupConfiguration.GroupsToOverride)
	if err != nil {
		return nil, err
	}
	var r response
	r.Details.AccessToken.Claims = claims
	if e["response"], err = json.Marshal(r); err != nil {
		return nil, fmt.Errorf("write the event's response: %w", err)
	}
	return e, nil
}

// Claims are what the groups amount to. Groups of other names mean nothing.
func Claims(groups []string) (map[string]string, error) {
	claims := map[string]string{}
	tenant, err := tenantOf(groups)
	if err != nil || tenant == "" {
		return claims, err
	}
	claims["tenant_id"] = string(tenant)
	if permissions := permissionsOf(groups); len(permissions) > 0 {
		claims["permissions"] = strings.Join(permissions, " ")
	}
	return claims, nil
}

func tenantOf(groups []string) (dcm.TenantID, error) {
	var found dcm.TenantID
	for _, g := range groups {
		name, ok := strings.CutPrefix(g, TenantPrefix)
		if !ok {
			continue
		}
		id := dcm.TenantID(name)
		switch {
		case !id.Valid():
			return "", fmt.Errorf("group %q names no tenant: an id has up to 32 lower-case letters, digits and hyphens", g)
		case found != "" && found != id:
			return "", fmt.Errorf("the user is in two tenants, %s and %s", found, id)
		}
		found = id
	}
	return found, nil
}

// permissionsOf drops what is no permission: a group misspelt gives less, never
// more.
func permissionsOf(groups []string) []string {
	var found []string
	for _, g := range groups {
		name, ok := strings.CutPrefix(g, PermissionPrefix)
		if ok && slices.Contains(dcm.Permissions, dcm.Permission(name)) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
