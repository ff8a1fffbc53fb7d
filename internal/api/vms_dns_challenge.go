package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type challenges interface {
	Challenge(context.Context, dcm.TokenClaims, dcm.DNSChallenge) (dcm.DNSChallenges, error)
}

// VmsDNSChallenge is POST /vms/{id}/dns-challenge.
func VmsDNSChallenge(c challenges) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-dns-challenge",
		Audience: dcm.AudienceVM,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.DNSChallenge
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			published, err := c.Challenge(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusOK, published), nil
		},
	}
}
