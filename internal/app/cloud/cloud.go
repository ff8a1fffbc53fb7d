// Package cloud builds the functions that call a provider or the DNS service.
package cloud

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/objects"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/secrets"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/zones"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/provider/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// application names us to the services we call.
const application = "devcontainer-manager"

// VmsCreate builds vms-create.
func VmsCreate(a *app.App) (lambda.Handler, error) {
	accounts, providers := accounts(a), forUsers(a)
	return a.Endpoint(api.VmsCreate(&lifecycle.Launcher{
		Common: a.Common(),
		Rules: dcm.LaunchRules{
			Catalogue: a.Config.Sizes, DefaultProvider: a.Config.DefaultProvider,
			AllowFileRepositories: a.Config.AllowFileRepositories,
		},
		Quotas: a.Config.Quotas, Accounts: accounts, Providers: providers, DNS: zones.DNS(a),
		Sealer: keys.Sealer(a), Tokens: keys.Tokens(a), Releaser: releaser(a, accounts, providers),
		Image: a.Config.ServerImage, Images: images(a), UserData: userData(a),
	}, a.Links())), nil
}

// VmsDelete builds vms-delete.
func VmsDelete(a *app.App) (lambda.Handler, error) {
	return a.Endpoint(api.VmsDelete(&lifecycle.Stopper{
		Common: a.Common(), Releaser: releaser(a, accounts(a), forUsers(a)),
	}, a.Links())), nil
}

// VmsCleanup builds vms-cleanup.
func VmsCleanup(a *app.App) (lambda.Handler, error) {
	return keys.Endpoint(a, api.VmsCleanup(&lifecycle.Cleaner{
		Common: a.Common(), Releaser: releaser(a, accounts(a), forUsers(a)),
	}, a.Links())), nil
}

// SweepVMs builds sweep-vms.
func SweepVMs(a *app.App) (lambda.Handler, error) {
	accounts, providers := accounts(a), forSweeps(a, dcm.RateOverdue)
	s := &sweep.VMs{
		Store: a.Store(), Clock: a.Clock, Log: a.Log, Meter: a.Meter,
		Handler: &lifecycle.Overdue{
			Common: a.Common(), Accounts: accounts, Providers: providers, Releaser: releaser(a, accounts, providers),
		},
	}
	return app.Sweep(a, "sweep-vms", s.Run), nil
}

// SweepOrphans builds sweep-orphans.
func SweepOrphans(a *app.App) (lambda.Handler, error) {
	accounts, providers := accounts(a), forSweeps(a, dcm.RateOrphans)
	s := &sweep.Orphans{
		Store: a.Store(), Clock: a.Clock, Log: a.Log, Meter: a.Meter, Installation: a.Config.Installation,
		Accounts: accounts, Providers: providers, DNS: zones.DNS(a), Storage: objects.Storage(a),
		Handler: &lifecycle.Orphans{
			Common: a.Common(), Accounts: accounts, Providers: providers, DNS: zones.DNS(a), Storage: objects.Storage(a),
		},
		MaxDeletions: a.Config.MaxOrphanDeletions,
	}
	return app.Sweep(a, "sweep-orphans", s.Run), nil
}

// TenantProviderAdd builds tenant-provider-add.
func TenantProviderAdd(a *app.App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantProviderAdd(&tenancy.Providers{
		Store: a.Store(), Clock: a.Clock, Random: a.Random, Sealer: keys.Sealer(a),
		Installation: a.Config.Installation, Adapters: providers(a, ungated), Catalogue: a.Config.Sizes,
	})), nil
}

func releaser(a *app.App, accounts dcm.Accounts, providers map[string]dcm.Provider) *lifecycle.Releaser {
	return &lifecycle.Releaser{
		Common: a.Common(), Accounts: accounts, Providers: providers, DNS: zones.DNS(a), Storage: objects.Storage(a),
	}
}

// forUsers are the providers of functions that people and VMs wait for.
func forUsers(a *app.App) map[string]dcm.Provider {
	return providers(a, func(p dcm.Provider) dcm.Provider { return lifecycle.ForUsers(a.Common(), p) })
}

// forSweeps are a sweep's providers: it asks them only as much as is left over.
func forSweeps(a *app.App, use dcm.RateUse) map[string]dcm.Provider {
	return providers(a, func(p dcm.Provider) dcm.Provider { return lifecycle.ForSweeps(a.Common(), use, p) })
}

// ungated is for credentials that are no account's yet.
func ungated(p dcm.Provider) dcm.Provider { return p }

func providers(a *app.App, gated func(dcm.Provider) dcm.Provider) map[string]dcm.Provider {
	return map[string]dcm.Provider{
		hetzner.Name: rememberCatalogue(gated(hetzner.New(hetzner.Options{
			Endpoint: a.Config.Endpoints.Hetzner, Transport: a.HTTP.Transport, Application: application,
		})), a.Clock),
	}
}

// accounts serve every tenant with the platform's credentials.
func accounts(a *app.App) dcm.Accounts {
	return &tenancy.Accounts{
		Sealer:    keys.AccountSealer(a),
		Providers: map[string]tenancy.SecretSource{hetzner.Name: secrets.Source(a, a.Config.HetznerToken)},
		SSHKeys:   map[string]string{hetzner.Name: a.Config.HetznerSSHKeyID},
		DNSToken:  secrets.Source(a, a.Config.CloudflareToken),
		ZoneID:    a.Config.ZoneID, BaseDomain: a.Config.BaseDomain, BucketName: a.Config.BucketName,
	}
}
