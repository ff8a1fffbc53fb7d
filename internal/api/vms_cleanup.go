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

// Ending is all that a VM needs to know of its own end. Its token outlives it, so
// whoever stole that learns no more.
type Ending struct {
	ID     dcm.VMID   `json:"id"`
	Status dcm.Status `json:"status"`
}

// VmsCleanup is POST /vms/{id}/cleanup.
func VmsCleanup(c cleaner) httpapi.Endpoint {
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
			response := httpapi.JSON(http.StatusAccepted, Ending{vm.ID, vm.Status})
			response.Audited = vm.Status == dcm.StatusStopped
			return response, nil
		},
	}
}
