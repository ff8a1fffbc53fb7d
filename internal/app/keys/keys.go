// Package keys builds what needs KMS: the sealers, the VMs' tokens, and the
// routes that those tokens open.
package keys

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/envelope"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/token"
)

func client(a *app.App) *kms.Client {
	return app.Keep(a, "kms", func() *kms.Client {
		return kms.New(kms.Options{
			Region: a.Config.Region, Credentials: a.Credentials(), HTTPClient: a.HTTP,
			BaseEndpoint: app.Address(a.Config.Endpoints.KMS),
		})
	})
}

// Sealer seals under the installation's data key.
func Sealer(a *app.App) *envelope.Sealer { return sealer(a, client(a)) }

func sealer(a *app.App, k envelope.KMS) *envelope.Sealer {
	return envelope.New(envelope.Options{
		KMS: k, KeyID: a.Config.DataKeyID, Installation: a.Config.Installation, Random: a.Random,
	})
}

// AccountSealer opens tenants' accounts, and remembers for a while the keys that
// opened them. It is one per function.
func AccountSealer(a *app.App) dcm.Sealer {
	return app.Keep(a, "account sealer", func() dcm.Sealer {
		return sealer(a, envelope.NewCache(client(a), a.Clock))
	})
}

// Tokens issues and verifies the VMs' tokens. It is one per function, because
// it keeps their public key.
func Tokens(a *app.App) *token.Tokens {
	return app.Keep(a, "tokens", func() *token.Tokens {
		return token.New(token.Options{
			KMS: client(a), KeyID: a.Config.TokenKeyID, Installation: a.Config.Installation, Clock: a.Clock,
		})
	})
}

// Endpoint makes the handler of a VM's route.
func Endpoint(a *app.App, e httpapi.Endpoint) lambda.Handler {
	tokens := Tokens(a)
	a.Ahead("token key", tokens.Warm)
	return a.VMEndpoint(e, tokens)
}

// VmsHeartbeat builds vms-heartbeat.
func VmsHeartbeat(a *app.App) (lambda.Handler, error) {
	return Endpoint(a, api.VmsHeartbeat(&lifecycle.Heart{Common: a.Common(), Tokens: Tokens(a)})), nil
}
