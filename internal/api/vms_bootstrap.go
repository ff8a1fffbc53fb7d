package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

type bootstrapper interface {
	Bootstrap(context.Context, dcm.TokenClaims, dcm.BootstrapRequest) (lifecycle.Bootstrapped, error)
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
			booted, err := b.Bootstrap(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			response := httpapi.JSON(http.StatusOK, booted.Answer)
			response.Audited = booted.NotedLater
			return response, nil
		},
	}
}
