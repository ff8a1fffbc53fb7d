package objects

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/keys"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// WorkspacesRotateKey builds workspaces-rotate-key.
func WorkspacesRotateKey(a *app.App) (lambda.Handler, error) {
	return a.Endpoint(api.WorkspacesRotateKey(&lifecycle.Workspaces{
		Common: a.Common(), Sealer: keys.Sealer(a), Identities: identities{},
	})), nil
}

// SweepKeys builds sweep-keys.
func SweepKeys(a *app.App) (lambda.Handler, error) {
	s := &sweep.Keys{
		Store: a.Store(), Clock: a.Clock, Log: a.Log, Meter: a.Meter,
		Tenants: &lifecycle.Followers{Common: a.Common(), Budget: &lifecycle.Budget{Common: a.Common()}},
		Workspaces: &lifecycle.Tasks{
			Common: a.Common(), Accounts: buckets(a), Storage: Storage(a), Sealer: keys.Sealer(a),
			Identities: identities{}, Reencrypter: reencrypter{},
		},
	}
	return app.Sweep(a, "sweep-keys", s.Run), nil
}
