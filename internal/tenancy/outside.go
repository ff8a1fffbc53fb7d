package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// checkTimeout bounds one look at an outside service. Two of them, and what we
// do ourselves, stay within API Gateway's 30 s.
const checkTimeout = 12 * time.Second

// checked runs the check of a credential at the service called who. A failure
// that the tenant can mend is told on the field to blame; any other one is
// CodeProviderUnavailable: nothing was kept, and the tenant may try again.
func checked(ctx context.Context, who string, blame map[dcm.ProviderKind]string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := check(ctx)
	if err == nil {
		return nil
	}
	kind := dcm.KindOf(err)
	message := ""
	if e, ok := errors.AsType[*dcm.ProviderError](err); ok {
		message = e.Message
	}
	field, known := blame[kind]
	switch {
	case known && message != "":
		code := dcm.CodeInvalid
		if kind == dcm.KindAuth {
			code = dcm.CodeProviderAuth
		}
		return &dcm.Error{
			Code: code, Message: who + " did not accept the settings",
			Fields: []dcm.FieldError{{Field: field, Message: message}}, Err: err,
		}
	case kind == dcm.KindRateLimited:
		return dcm.Errorf(dcm.CodeProviderUnavailable, "%s is limiting our requests; try again later", who).WithCause(err)
	default:
		return dcm.Errorf(dcm.CodeProviderUnavailable, "%s can't check the settings now; try again later", who).WithCause(err)
	}
}

// meanwhile is the conflict of two changes of the same settings.
func meanwhile(err error) error {
	return dcm.Errorf(dcm.CodeConflict, "the settings were changed meanwhile; try again").WithCause(err)
}
