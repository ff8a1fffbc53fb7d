package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

type challenges interface {
	Challenge(context.Context, dcm.TokenClaims, dcm.DNSChallenge) (lifecycle.Challenged, error)
}

// VmsDNSChallenge is POST /vms/{id}/dns-challenge.
func VmsDNSChallenge(c challenges) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-dns-challenge",
		Audience: dcm.AudienceVM,
		// Only what outlives the VM is for the log: an account.
		Audit: httpapi.AuditPath("vms"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.DNSChallenge
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			told, err := c.Challenge(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			response := httpapi.JSON(http.StatusOK, told.Answer)
			response.Audited = !told.Bound
			return response, nil
		},
	}
}
