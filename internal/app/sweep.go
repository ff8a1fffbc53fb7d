package app

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// Sweep makes the handler of a scheduled function. One run works at a time; a
// dry run, which changes nothing, does not wait for it.
func Sweep[Report any](a *App, name string, run func(context.Context, sweep.Order) (Report, error)) lambda.Handler {
	alone := sweep.Alone{Name: name, Leases: a.Store(), Clock: a.Clock, Log: a.Log, Meter: a.Meter}
	return handle(func(ctx context.Context, o sweep.Order) (any, error) {
		if o.DryRun {
			return run(ctx, o)
		}
		var report Report
		busy, err := alone.Run(ctx, func(ctx context.Context, careful bool) (err error) {
			o.Careful = careful
			report, err = run(ctx, o)
			return err
		})
		if busy {
			return sweep.Report{Busy: true}, nil
		}
		return report, err
	})
}
