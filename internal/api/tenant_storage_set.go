package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

type bucketSetter interface {
	Set(context.Context, dcm.TenantID, tenancy.StorageRequest) (dcm.StorageAccount, error)
}

// TenantStorageSet is POST /tenant/storage.
func TenantStorageSet(s bucketSetter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-storage-set",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant/storage"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body tenancy.StorageRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			account, err := s.Set(ctx, r.Principal.Tenant, body)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusCreated, viewBucket(account)), nil
		},
	}
}
