package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type dnsResetter interface {
	DNS(context.Context, dcm.TenantID) (dcm.Tenant, error)
}

// TenantDNSReset is DELETE /tenant/dns. On the platform's DNS already, it
// changes nothing.
func TenantDNSReset(s dnsResetter, p TenantPresenter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-dns-reset",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant/dns"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			tenant, err := s.DNS(ctx, r.Principal.Tenant)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, p.dns(tenant)), nil
		},
	}
}
