package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type stopper interface {
	Stop(ctx context.Context, t dcm.TenantID, id dcm.VMID, force bool) (dcm.VM, error)
	Abandon(ctx context.Context, t dcm.TenantID, id dcm.VMID) (dcm.VM, error)
}

// VmsDelete is DELETE /vms/{id}, with ?force=true to skip the backup, and
// ?abandon=true for a VM that the tenant's own account no longer lets us end.
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
			how, err := deletion(r.Query)
			if err != nil {
				return httpapi.Response{}, err
			}
			var vm dcm.VM
			if how["abandon"] {
				vm, err = s.Abandon(ctx, r.Principal.Tenant, id)
			} else {
				vm, err = s.Stop(ctx, r.Principal.Tenant, id, how["force"])
			}
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusAccepted, links.View(vm)), nil
		},
	}
}

// deletion reads how a VM is to end.
func deletion(q url.Values) (map[string]bool, error) {
	wrong := unknownParameters(q, "force", "abandon")
	how := map[string]bool{}
	for _, name := range []string{"force", "abandon"} {
		if !q.Has(name) {
			continue
		}
		var err error
		if how[name], err = strconv.ParseBool(q.Get(name)); err != nil {
			wrong = append(wrong, dcm.FieldError{Field: name, Message: "must be true or false"})
		}
	}
	return how, dcm.InvalidFields(wrong...)
}
