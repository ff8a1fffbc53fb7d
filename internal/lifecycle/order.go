package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// orderTimeout bounds one call to the provider, so that a hanging one
	// leaves time for another try.
	orderTimeout = 8 * time.Second
	// orderBackoff is the first wait between two tries; it doubles.
	orderBackoff = 500 * time.Millisecond
)

// order gets the plan's server: it tries the offers in turn while the provider
// has no capacity, and the same offer again while the provider fails.
func (l *Launcher) order(ctx context.Context, p plan) (dcm.Server, error) {
	var (
		soldOut []string
		last    error
	)
	for _, offer := range p.offers {
		server, err := l.orderOffer(ctx, p, offer)
		if err == nil {
			return server, nil
		}
		if dcm.KindOf(err) != dcm.KindCapacity {
			return dcm.Server{}, outsideError("the provider", err)
		}
		soldOut, last = append(soldOut, offer.String()), err
	}
	return dcm.Server{}, dcm.Errorf(dcm.CodeCapacityUnavailable,
		"%s has no capacity for a %s VM; tried %s", p.intent.VM.Provider, p.intent.VM.Size, strings.Join(soldOut, ", ")).WithCause(last)
}

// orderOffer orders one offer until it is decided or the budget is spent.
func (l *Launcher) orderOffer(ctx context.Context, p plan, offer dcm.Offer) (dcm.Server, error) {
	vm := p.intent.VM
	request := dcm.ServerRequest{
		Name: vm.ID.ServerName(), ServerType: offer.ServerType, Location: offer.Location,
		Image: cmp.Or(p.prepared[offer.ServerType], l.Image), UserData: p.userData, Labels: vm.ServerLabels(l.Installation),
		SSHKeyID: p.credential.SSHKeyID,
	}
	unsure := false
	for wait := orderBackoff; ; wait *= 2 {
		server, err := l.orderOnce(ctx, p, request)
		unsure = unsure || dcm.KindOf(err) == dcm.KindUnavailable
		if err != nil && unsure {
			err = &unsureError{err}
		}
		var asked time.Duration
		if dcm.KindOf(err) == dcm.KindImage && request.Image != l.Image {
			l.refused(ctx, p, request.Image, err)
			request.Image = l.Image
			continue
		}
		switch dcm.KindOf(err) {
		case "":
			return server, nil
		case dcm.KindRateLimited:
			if e, ok := errors.AsType[*dcm.ProviderError](err); ok {
				asked = e.RetryAfter
			}
		case dcm.KindUnavailable:
		default:
			return dcm.Server{}, err
		}
		pause := max(wait, asked)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return dcm.Server{}, err
		}
		if dcm.Sleep(ctx, pause) != nil {
			return dcm.Server{}, err
		}
	}
}

// refused notes that a prepared image is of no use. The VM is none the worse,
// but boots more slowly, as all will until there is another.
func (l *Launcher) refused(ctx context.Context, p plan, image string, err error) {
	maps.DeleteFunc(p.prepared, func(_, i string) bool { return i == image })
	l.Images.Refused(image)
	l.Meter.Count(dcm.MetricImageRefused, 1)
	l.Log.WarnContext(ctx, "the prepared image can't be used; the server boots the provider's own", "vm", p.intent.VM.ID, "image", image, "error", err.Error())
}

// unsureError is a failure after which the server or the record may exist.
type unsureError struct{ err error }

func (e *unsureError) Error() string { return e.err.Error() }
func (e *unsureError) Unwrap() error { return e.err }

// orderOnce makes one try. "Exists" means that an earlier try succeeded and
// its answer was lost: the server is read, checked to be ours, and adopted.
func (l *Launcher) orderOnce(ctx context.Context, p plan, r dcm.ServerRequest) (dcm.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	provider := l.Providers[p.intent.VM.Provider]
	server, err := provider.CreateVM(ctx, p.credential, r)
	if dcm.KindOf(err) != dcm.KindExists {
		return server, err
	}
	found, err := provider.GetVM(ctx, p.credential, dcm.ServerRef{Name: r.Name})
	switch {
	case err != nil:
		return dcm.Server{}, err
	case found == nil:
		return dcm.Server{}, &dcm.ProviderError{
			Kind: dcm.KindUnavailable, Op: "adopt server", Message: "the server exists and cannot be found",
		}
	case !p.intent.VM.OwnsServer(l.Installation, found.Labels):
		return dcm.Server{}, &dcm.ProviderError{
			Kind: dcm.KindInvalid, Op: "adopt server", Message: "the server's name is taken by a server that is not ours",
		}
	}
	l.Log.InfoContext(ctx, "adopted the server of a create whose answer was lost", "vm", p.intent.VM.ID, "server", found.ID)
	return *found, nil
}

// outsideError is a failure at an outside service as the caller reads it.
func outsideError(who string, err error) error {
	if e, ok := errors.AsType[*dcm.Error](err); ok {
		return e
	}
	switch dcm.KindOf(err) {
	case dcm.KindAuth:
		return dcm.Errorf(dcm.CodeProviderAuth, "%s refused the credential", who).WithCause(err)
	case dcm.KindQuota:
		return dcm.Errorf(dcm.CodeCapacityUnavailable, "the account at %s is at its limit", who).WithCause(err)
	case dcm.KindRateLimited:
		wait, _ := limitWait(err)
		e := dcm.Errorf(dcm.CodeRateLimited, "%s is limiting our requests; try again in %s", who, inWords(wait)).WithCause(err)
		e.RetryAfter = wait
		return e
	case dcm.KindInvalid, dcm.KindImage:
		return dcm.Errorf(dcm.CodeProviderUnavailable, "%s did not accept the request%s", who, reason(err)).WithCause(err)
	default:
		return dcm.Errorf(dcm.CodeProviderUnavailable, "%s is not available", who).WithCause(err)
	}
}

// reason is what the service said, in its adapter's words.
func reason(err error) string {
	if e, ok := errors.AsType[*dcm.ProviderError](err); ok && e.Message != "" {
		return ": " + e.Message
	}
	return ""
}

// problemOf is a failure as a record keeps it.
func problemOf(err error) dcm.Problem {
	if e, ok := errors.AsType[*dcm.Error](err); ok && e.Code != dcm.CodeInternal {
		return dcm.Problem{Code: string(e.Code), Message: e.Message}
	}
	return dcm.Problem{Code: string(dcm.CodeInternal), Message: fmt.Sprintf("the VM could not be created (%s)", dcm.CodeInternal)}
}
