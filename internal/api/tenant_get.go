package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// TenantGet is GET /tenant.
func TenantGet(store dcm.Store, p TenantPresenter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-get",
		Permission: dcm.PermissionTenantRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			if err := dcm.InvalidFields(unknownParameters(r.Query)...); err != nil {
				return httpapi.Response{}, err
			}
			accounts, err := store.Tenant(r.Principal.Tenant).Accounts(ctx)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, p.View(accounts)), nil
		},
	}
}
