// Package secrets reads the platform's own secrets, for the functions that call
// a provider or the DNS service.
package secrets

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// Source reads a platform secret once per cold start. A failed read is
// not kept: the next call tries again.
func Source(a *app.App, s app.SecretSetting) tenancy.SecretSource {
	var (
		mu    sync.Mutex
		value = s.Value
	)
	return func(ctx context.Context) (dcm.Secret, error) {
		mu.Lock()
		defer mu.Unlock()
		if !value.IsZero() || s.Parameter == "" {
			return value, nil
		}
		read, err := Read(ctx, a, s.Parameter)
		if err != nil {
			return dcm.Secret{}, err
		}
		value = read
		return value, nil
	}
}

// Read reads a parameter: exactly one call. There is none: the error is SSM's
// types.ParameterNotFound.
func Read(ctx context.Context, a *app.App, parameter string) (dcm.Secret, error) {
	client := ssm.New(ssm.Options{
		Region: a.Config.Region, Credentials: a.Credentials(), HTTPClient: a.HTTP, BaseEndpoint: app.Address(a.Config.Endpoints.SSM),
	})
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(parameter), WithDecryption: aws.Bool(true)})
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("read parameter %s: %w", parameter, err)
	}
	return dcm.NewSecret(aws.ToString(out.Parameter.Value)), nil
}
