package app

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// TenantGet builds tenant-get.
func TenantGet(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantGet(a.Store(), a.tenantPresenter())), nil
}

// TenantPut builds tenant-put.
func TenantPut(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantPut(a.profiles(), a.tenantPresenter())), nil
}

// TenantUsage builds tenant-usage.
func TenantUsage(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantUsage(a.Store(), a.Clock, a.Config.Currency)), nil
}

// TenantEvents builds tenant-events.
func TenantEvents(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantEvents(a.Store())), nil
}

// TenantOrphans builds tenant-orphans.
func TenantOrphans(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantOrphans(a.Store())), nil
}

// AdminQuotasPut builds admin-quotas-put.
func AdminQuotasPut(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.AdminQuotasPut(a.profiles(), a.tenantPresenter())), nil
}

// TenantProviderRemove builds tenant-provider-remove.
func TenantProviderRemove(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantProviderRemove(&tenancy.Remover{Store: a.Store()})), nil
}

// TenantDNSReset builds tenant-dns-reset.
func TenantDNSReset(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantDNSReset(a.resetter(), a.tenantPresenter())), nil
}

// TenantStorageReset builds tenant-storage-reset.
func TenantStorageReset(a *App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantStorageReset(a.resetter())), nil
}

func (a *App) profiles() *tenancy.Profiles {
	return &tenancy.Profiles{Store: a.Store(), Clock: a.Clock, Quotas: a.Config.Quotas}
}

func (a *App) resetter() *tenancy.Resetter {
	return &tenancy.Resetter{Store: a.Store(), Clock: a.Clock}
}

func (a *App) tenantPresenter() api.TenantPresenter {
	return api.TenantPresenter{BaseDomain: a.Config.BaseDomain, Clock: a.Clock}
}
