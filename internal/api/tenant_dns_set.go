package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

type zoneSetter interface {
	Set(context.Context, dcm.TenantID, tenancy.DNSRequest) (dcm.DNSAccount, error)
}

// TenantDNSSet is POST /tenant/dns.
func TenantDNSSet(s zoneSetter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-dns-set",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant/dns"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body tenancy.DNSRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			account, err := s.Set(ctx, r.Principal.Tenant, body)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusCreated, viewDNS(account)), nil
		},
	}
}
