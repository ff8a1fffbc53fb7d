package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// VmsGet is GET /vms/{id}.
func VmsGet(store dcm.Store, links Links) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "vms-get",
		Permission: dcm.PermissionVMsRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			id, err := vmID(r)
			if err != nil {
				return httpapi.Response{}, err
			}
			vm, err := store.Tenant(r.Principal.Tenant).VM(ctx, id)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusOK, links.View(vm)), nil
		},
	}
}
