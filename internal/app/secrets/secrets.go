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
		o := ssm.Options{Region: a.Config.Region, Credentials: a.Credentials(), HTTPClient: a.HTTP}
		if e := a.Config.Endpoints.SSM; e != "" {
			o.BaseEndpoint = aws.String(e)
		}
		out, err := ssm.New(o).GetParameter(ctx, &ssm.GetParameterInput{
			Name: aws.String(s.Parameter), WithDecryption: aws.Bool(true),
		})
		if err != nil {
			return dcm.Secret{}, fmt.Errorf("read parameter %s: %w", s.Parameter, err)
		}
		value = dcm.NewSecret(aws.ToString(out.Parameter.Value))
		return value, nil
	}
}
