package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// VmsBackupComplete is POST /vms/{id}/backups/{backupId}/complete.
func VmsBackupComplete(b backups) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-backup-complete",
		Audience: dcm.AudienceVM,
		Audit:    func(r *httpapi.Request) string { return "vms/" + r.Path["id"] + "/backups/" + r.Path["backupId"] },
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.BackupComplete
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			completed, err := b.Complete(ctx, r.VM, dcm.BackupID(r.Path["backupId"]), body)
			if err != nil {
				return httpapi.Response{}, err
			}
			return httpapi.JSON(http.StatusOK, completed), nil
		},
	}
}
