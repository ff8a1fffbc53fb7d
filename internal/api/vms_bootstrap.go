package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type bootstrapper interface {
	Bootstrap(context.Context, dcm.TokenClaims, dcm.BootstrapRequest) (dcm.BootstrapAnswer, error)
}

// VmsBootstrap is POST /vms/{id}/bootstrap.
func VmsBootstrap(b bootstrapper) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-bootstrap",
		Audience: dcm.AudienceBootstrap,
		Audit:    httpapi.AuditPath("vms"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.BootstrapRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			answer, err := b.Bootstrap(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			response := httpapi.JSON(http.StatusOK, answer)
			// A VM that restores has used up the calls that a bootstrap may
			// cost: its first heartbeat adds the entry.
			response.Audited = answer.Restore != nil
			return response, nil
		},
	}
}
