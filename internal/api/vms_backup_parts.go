package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// VmsBackupParts is POST /vms/{id}/backups/{backupId}/parts.
func VmsBackupParts(b backups) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-backup-parts",
		Audience: dcm.AudienceVM,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.BackupParts
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			parts, err := b.Parts(ctx, r.VM, dcm.BackupID(r.Path["backupId"]), body)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, parts), nil
		},
	}
}
