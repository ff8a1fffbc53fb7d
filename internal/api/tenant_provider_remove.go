package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// RemovedProvider is the answer to DELETE /tenant/providers/{name}.
type RemovedProvider struct {
	Type    string `json:"type"`
	Removed bool   `json:"removed"`
}

type providerRemover interface {
	Remove(ctx context.Context, t dcm.TenantID, provider string) error
}

var errNoProvider = dcm.Errorf(dcm.CodeNotFound, "the tenant has no account at this provider")

// TenantProviderRemove is DELETE /tenant/providers/{name}.
func TenantProviderRemove(s providerRemover) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-provider-remove",
		Permission: dcm.PermissionTenantWrite,
		Audit:      func(r *httpapi.Request) string { return "tenant/providers/" + r.Path["name"] },
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			name := r.Path["name"]
			if !slices.Contains(dcm.ProviderNames, name) {
				return httpapi.Response{}, errNoProvider
			}
			if err := s.Remove(ctx, r.Principal.Tenant, name); err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoProvider)
			}
			return httpapi.JSON(http.StatusOK, RemovedProvider{Type: name, Removed: true}), nil
		},
	}
}
