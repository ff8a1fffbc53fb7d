package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

type cleaner interface {
	Cleanup(context.Context, dcm.TokenClaims, dcm.Cleanup, lifecycle.Origin) (dcm.VM, error)
}

// VmsCleanup is POST /vms/{id}/cleanup.
func VmsCleanup(c cleaner, links Links) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-cleanup",
		Audience: dcm.AudienceVM,
		Audit:    httpapi.AuditPath("vms"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.Cleanup
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			vm, err := c.Cleanup(ctx, r.VM, body, origin(r))
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			response := httpapi.JSON(http.StatusAccepted, links.View(vm))
			response.Audited = vm.Status == dcm.StatusStopped
			return response, nil
		},
	}
}
