package lifecycle

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// reserve is what a VM may cost at most, for a tenant with a monthly limit: the
// dearest of its offers, for its longest life. Without a limit nothing is
// reserved, and the provider is not asked for its prices.
func (l *Launcher) reserve(ctx context.Context, p plan, q dcm.Quotas, launch dcm.Launch) (dcm.Micros, error) {
	if q.MaxMonthlySpend == 0 {
		return 0, nil
	}
	options, err := l.Providers[launch.Provider].SizeOptions(ctx, p.credential)
	if err != nil {
		return 0, outsideError("the provider", err)
	}
	prices := map[dcm.Offer]string{}
	for _, o := range options {
		prices[dcm.Offer{ServerType: o.ServerType, Location: o.Location}] = o.Price.Hourly
	}
	dearest := dcm.Micros(0)
	for _, offer := range launch.Offers {
		decimal, sold := prices[offer]
		if !sold {
			// What is not sold can't be bought: the launch will go on to the next.
			continue
		}
		hourly, err := dcm.ParseMicros(decimal)
		if err != nil {
			return 0, fmt.Errorf("price of %s: %w", offer, err)
		}
		dearest = max(dearest, hourly)
	}
	return dcm.WorstCase(dearest, launch.MaxLifetime), nil
}

// launchEvent is the launch's entry in the audit log. It is written with the
// intent, so that no VM is without one.
func (l *Launcher) launchEvent(o LaunchOrder, vm dcm.VM) (dcm.Event, error) {
	e, err := l.event(resourceOf(vm), dcm.ActorUser, "vms-create", o.Origin, "")
	e.User, e.At = o.Principal.User, vm.CreatedAt
	return e, err
}
