package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// AddedProvider is the answer to POST /tenant/providers. ServersLeft is null if
// the provider does not say how many more servers fit the account.
type AddedProvider struct {
	Type string `json:"type"`
	CloudProvider
	ServersLeft *int `json:"serversLeft"`
}

type providerAdder interface {
	Add(context.Context, dcm.TenantID, tenancy.ProviderRequest) (tenancy.AddedProvider, error)
}

// TenantProviderAdd is POST /tenant/providers.
func TenantProviderAdd(s providerAdder) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-provider-add",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant/providers"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body tenancy.ProviderRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			added, err := s.Add(ctx, r.Principal.Tenant, body)
			if err != nil {
				return httpapi.Response{}, err
			}
			response := httpapi.JSON(http.StatusCreated, AddedProvider{
				Type: added.Account.Provider, CloudProvider: viewProvider(added.Account), ServersLeft: added.ServersLeft,
			})
			response.Resource = "tenant/providers/" + added.Account.Provider
			return response, nil
		},
	}
}
