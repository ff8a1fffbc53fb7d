package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

type profiler interface {
	Change(context.Context, dcm.TenantID, tenancy.ProfileRequest) (dcm.TenantAccounts, error)
}

// TenantPut is PUT /tenant.
func TenantPut(s profiler, p TenantPresenter) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-put",
		Permission: dcm.PermissionTenantWrite,
		Audit:      httpapi.AuditOne("tenant"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body tenancy.ProfileRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, nameOwners(err)
			}
			accounts, err := s.Change(ctx, r.Principal.Tenant, body)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, p.View(accounts)), nil
		},
	}
}

// nameOwners says of each field that is part of a profile, and not the
// tenant's to write here, how it is changed.
func nameOwners(err error) error {
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok {
		return err
	}
	named := *e
	named.Fields = slices.Clone(e.Fields)
	for i, f := range named.Fields {
		if how, foreign := tenancy.Foreign()[f.Field]; foreign {
			named.Fields[i].Message = how
		}
	}
	return &named
}
