package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type backups interface {
	Start(context.Context, dcm.TokenClaims, dcm.BackupStart) (dcm.BackupStarted, error)
	Parts(context.Context, dcm.TokenClaims, dcm.BackupID, dcm.BackupParts) (dcm.BackupPartURLs, error)
	Complete(context.Context, dcm.TokenClaims, dcm.BackupID, dcm.BackupComplete) (dcm.BackupCompleted, error)
}

// VmsBackupStart is POST /vms/{id}/backups.
func VmsBackupStart(b backups) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:     "vms-backup-start",
		Audience: dcm.AudienceVM,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			var body dcm.BackupStart
			if err := httpapi.Decode(r.Body, &body); err != nil {
				return httpapi.Response{}, err
			}
			if body.Generation < 0 {
				return httpapi.Response{}, dcm.InvalidFields(dcm.FieldError{Field: "generation", Message: "must not be negative"})
			}
			started, err := b.Start(ctx, r.VM, body)
			if err != nil {
				return httpapi.Response{}, notFoundAs(err, errNoVM)
			}
			return httpapi.JSON(http.StatusCreated, started), nil
		},
	}
}
