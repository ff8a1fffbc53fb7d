// Package objects builds the functions that store or hand out backups: those
// that link S3's client.
package objects

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// Storage is S3, by the function's own role.
func Storage(a *app.App) *storage.Storage {
	return storage.New(storage.Options{
		Credentials: a.Credentials(), Region: a.Config.Region, Endpoint: a.Config.Endpoints.S3,
		HTTPClient: a.HTTP, Clock: a.Clock, AllowPrivateEndpoints: a.Config.AllowPrivateEndpoints,
	})
}

// VmsBootstrap builds vms-bootstrap.
func VmsBootstrap(a *app.App) (lambda.Handler, error) {
	return keys.Endpoint(a, api.VmsBootstrap(&lifecycle.Bootstrapper{
		Common: a.Common(), Accounts: buckets(a), Storage: Storage(a), Sealer: keys.Sealer(a), Tokens: keys.Tokens(a),
		Settings: lifecycle.AgentSettings{
			Runtime: a.Config.Runtime, DefaultImage: a.Config.DefaultImage,
			HeartbeatInterval: a.Config.HeartbeatInterval, BackupInterval: a.Config.BackupInterval,
			ACMEDirectories: a.Config.ACMEDirectories,
			HetznerURL:      a.Config.Endpoints.Hetzner,
		},
	})), nil
}

// VmsBackupStart builds vms-backup-start.
func VmsBackupStart(a *app.App) (lambda.Handler, error) {
	b := backups(a)
	b.Sealer, b.Identities = keys.Sealer(a), identities{}
	return keys.Endpoint(a, api.VmsBackupStart(b)), nil
}

// VmsBackupParts builds vms-backup-parts.
func VmsBackupParts(a *app.App) (lambda.Handler, error) {
	return keys.Endpoint(a, api.VmsBackupParts(backups(a))), nil
}

// VmsBackupComplete builds vms-backup-complete.
func VmsBackupComplete(a *app.App) (lambda.Handler, error) {
	return keys.Endpoint(a, api.VmsBackupComplete(backups(a))), nil
}

// TenantStorageSet builds tenant-storage-set.
func TenantStorageSet(a *app.App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantStorageSet(&tenancy.Buckets{
		Store: a.Store(), Clock: a.Clock, Random: a.Random, Sealer: keys.Sealer(a), Storage: Storage(a),
		AllowPrivateEndpoints: a.Config.AllowPrivateEndpoints,
	})), nil
}

func backups(a *app.App) *lifecycle.Backups {
	return &lifecycle.Backups{Common: a.Common(), Accounts: buckets(a), Storage: Storage(a)}
}

// buckets are accounts that only know buckets and, where the role may open
// them, what tenants brought along: these functions hold no provider's
// credential of the platform's, and no DNS token.
func buckets(a *app.App) dcm.Accounts {
	none := func(context.Context) (dcm.Secret, error) { return dcm.Secret{}, nil }
	return &tenancy.Accounts{BucketName: a.Config.BucketName, DNSToken: none, Sealer: keys.AccountSealer(a)}
}
