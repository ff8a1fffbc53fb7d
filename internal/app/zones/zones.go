// Package zones builds the functions that call the DNS service and no provider:
// they do without the provider's client, and its 12 MB.
package zones

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/secrets"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dns/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// application names us to the service.
const application = "devcontainer-manager"

// DNS is the DNS service. It takes the credential with each call.
func DNS(a *app.App) dcm.DNS {
	return cloudflare.New(cloudflare.Options{
		Endpoint: a.Config.Endpoints.Cloudflare, Transport: a.HTTP.Transport, UserAgent: application,
	})
}

// TenantDNSSet builds tenant-dns-set.
func TenantDNSSet(a *app.App) (lambda.Handler, error) {
	return a.Endpoint(api.TenantDNSSet(&tenancy.Zones{
		Installation: a.Config.Installation, Store: a.Store(), Clock: a.Clock, Random: a.Random, Sealer: keys.Sealer(a), DNS: DNS(a),
	})), nil
}

// VmsDNSChallenge builds vms-dns-challenge.
func VmsDNSChallenge(a *app.App) (lambda.Handler, error) {
	return keys.Endpoint(a, api.VmsDNSChallenge(&lifecycle.Challenges{
		Common: a.Common(), DNS: DNS(a), Customers: secrets.Source(a, a.Config.ACMECustomers),
		Accounts: &tenancy.Accounts{
			Sealer: keys.AccountSealer(a), DNSToken: secrets.Source(a, a.Config.CloudflareToken), ZoneID: a.Config.ZoneID,
		},
	})), nil
}
