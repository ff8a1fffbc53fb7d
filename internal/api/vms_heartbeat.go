package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

type heart interface {
	Beat(context.Context, dcm.TokenClaims, dcm.Heartbeat, lifecycle.Origin) (dcm.HeartbeatAnswer, error)
}

// VmsHeartbeat is POST /vms/{id}/heartbeat.
func VmsHeartbeat(h heart) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-heartbeat",
		Audience: dcm.AudienceVM,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.Heartbeat
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			answer, err := h.Beat(ctx, r.VM, body, origin(r))
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusOK, answer), nil
		},
	}
}
