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
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.BootstrapRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			answer, err := b.Bootstrap(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusOK, answer), nil
		},
	}
}
