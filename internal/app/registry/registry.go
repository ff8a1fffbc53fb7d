// Package registry names every function's builder, for the local stack, which
// runs them all in one process. A test holds it against functions/ and
// template.yaml.
package registry

import (
	"fmt"
	"io"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/cloud"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/zones"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Builders returns every function's builder by its name.
func Builders() map[string]app.Build {
	return map[string]app.Build{
		"vms-create":             cloud.VmsCreate,
		"vms-list":               app.VmsList,
		"vms-get":                app.VmsGet,
		"vms-delete":             cloud.VmsDelete,
		"vms-bootstrap":          objects.VmsBootstrap,
		"vms-heartbeat":          keys.VmsHeartbeat,
		"vms-backup-start":       objects.VmsBackupStart,
		"vms-backup-parts":       objects.VmsBackupParts,
		"vms-backup-complete":    objects.VmsBackupComplete,
		"vms-dns-challenge":      zones.VmsDNSChallenge,
		"vms-cleanup":            cloud.VmsCleanup,
		"workspaces-list":        app.WorkspacesList,
		"workspaces-get":         app.WorkspacesGet,
		"workspaces-delete":      app.WorkspacesDelete,
		"workspaces-rotate-key":  objects.WorkspacesRotateKey,
		"tenant-get":             app.TenantGet,
		"tenant-put":             app.TenantPut,
		"tenant-provider-add":    cloud.TenantProviderAdd,
		"tenant-provider-remove": app.TenantProviderRemove,
		"tenant-dns-set":         zones.TenantDNSSet,
		"tenant-dns-reset":       app.TenantDNSReset,
		"tenant-storage-set":     objects.TenantStorageSet,
		"tenant-storage-reset":   app.TenantStorageReset,
		"tenant-usage":           app.TenantUsage,
		"tenant-events":          app.TenantEvents,
		"tenant-orphans":         app.TenantOrphans,
		"openapi-get":            app.OpenapiGet,
		"docs-get":               app.DocsGet,
		"admin-quotas-put":       app.AdminQuotasPut,
		"sweep-vms":              cloud.SweepVMs,
		"sweep-keys":             objects.SweepKeys,
		"sweep-orphans":          cloud.SweepOrphans,
	}
}

// Function builds one function with the given environment and clock. Its log
// lines and metrics go to output.
func Function(name string, getenv func(string) string, clock dcm.Clock, output io.Writer) (lambda.Handler, error) {
	build := Builders()[name]
	if build == nil {
		return nil, fmt.Errorf("there is no function %q", name)
	}
	a, err := app.New(app.Options{Function: name, Getenv: getenv, Clock: clock, Output: output})
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	return build(a)
}
