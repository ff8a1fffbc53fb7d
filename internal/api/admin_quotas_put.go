package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// TenantQuotas is the answer to PUT /admin/tenants/{id}/quotas.
type TenantQuotas struct {
	ID     dcm.TenantID `json:"id"`
	Quotas Quotas       `json:"quotas"`
	Usage  TenantGlance `json:"usage"`
}

type quotaSetter interface {
	SetQuotas(context.Context, dcm.TenantID, tenancy.QuotasRequest) (dcm.Tenant, error)
}

// AdminQuotasPut is PUT /admin/tenants/{id}/quotas: the platform's, not the
// tenant's.
func AdminQuotasPut(s quotaSetter, p TenantPresenter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "admin-quotas-put",
		Permission: dcm.PermissionPlatformAdmin,
		Audit:      httpapi.AuditPath("admin/tenants"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body tenancy.QuotasRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			tenant, err := s.SetQuotas(ctx, dcm.TenantID(r.Path["id"]), body)
			if err != nil {
				return httpapi.Response{}, err
			}
			response := httpapi.JSON(http.StatusOK, TenantQuotas{
				ID: tenant.ID, Quotas: viewQuotas(tenant.Quotas), Usage: p.glance(tenant),
			})
			response.Tenant = tenant.ID
			return response, nil
		},
	}
}
