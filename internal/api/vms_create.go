package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// CreatedVM is the answer to POST /vms: the VM and the password of its
// terminal, which is shown this once.
type CreatedVM struct {
	VM
	TerminalPassword string `json:"terminalPassword"`
}

type launcher interface {
	Launch(context.Context, lifecycle.LaunchOrder) (lifecycle.Launched, error)
}

// VmsCreate is POST /vms.
func VmsCreate(l launcher, links Links) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "vms-create",
		Permission: dcm.PermissionVMsWrite,
		Audit:      httpapi.AuditOne("vms"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.LaunchRequest
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			launched, err := l.Launch(ctx, lifecycle.LaunchOrder{
				Principal: r.Principal, Request: body,
				IdempotencyKey: r.Headers.Get("Idempotency-Key"), APIURL: r.APIURL,
				Origin: origin(r),
			})
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoWorkspace)
			}
			response := httpapi.JSON(http.StatusCreated, CreatedVM{
				VM: links.View(launched.VM), TerminalPassword: launched.Password.Reveal(),
			})
			// The intent was written with its entry.
			response.Audited = true
			response.Headers = map[string]string{"location": r.APIURL + "/vms/" + string(launched.VM.ID)}
			return response, nil
		},
	}
}
