package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type storageResetter interface {
	Storage(context.Context, dcm.TenantID) (dcm.Tenant, error)
}

// TenantStorageReset is DELETE /tenant/storage. On the platform's storage
// already, it changes nothing.
func TenantStorageReset(s storageResetter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-storage-reset",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant/storage"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			tenant, err := s.Storage(ctx, r.Principal.Tenant)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, viewStorage(tenant)), nil
		},
	}
}
