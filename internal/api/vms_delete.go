package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type stopper interface {
	Stop(ctx context.Context, t dcm.TenantID, id dcm.VMID, force bool) (dcm.VM, error)
}

// VmsDelete is DELETE /vms/{id}, with ?force=true to skip the backup.
func VmsDelete(s stopper, links Links) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "vms-delete",
		Permission: dcm.PermissionVMsWrite,
		Audit:      httpapi.AuditPath("vms"),
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			id, err := vmID(r)
			if err != nil {
				return httpapi.Response{}, err
			}
			wrong := unknownParameters(r.Query, "force")
			force, err := strconv.ParseBool(r.Query.Get("force"))
			if r.Query.Has("force") && err != nil {
				wrong = append(wrong, dcm.FieldError{Field: "force", Message: "must be true or false"})
			}
			if err := dcm.InvalidFields(wrong...); err != nil {
				return httpapi.Response{}, err
			}
			vm, err := s.Stop(ctx, r.Principal.Tenant, id, force)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusAccepted, links.View(vm)), nil
		},
	}
}
