package lifecycle

import (
	"context"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Origin is where a call came from, for the audit log.
type Origin struct {
	SourceIP  string
	RequestID string
}

// How the audit log names what the system does by itself.
const (
	sweepVMs     = "sweep-vms"
	sweepKeys    = "sweep-keys"
	sweepOrphans = "sweep-orphans"
)

// event is an entry of the audit log that says what was done to a resource.
func (c Common) event(resource string, actor dcm.Actor, action string, from Origin, detail string) (dcm.Event, error) {
	id, err := dcm.NewEventID(c.Random)
	if err != nil {
		return dcm.Event{}, err
	}
	return dcm.Event{
		ID: id, At: c.Clock.Now(), Actor: actor, SourceIP: from.SourceIP, RequestID: from.RequestID,
		Action: action, Resource: resource, Result: dcm.ResultOK, Detail: detail,
	}, nil
}

// note adds to the audit log what has happened already. A failure is told, and
// is no reason to undo it.
func (c Common) note(ctx context.Context, t dcm.TenantID, e dcm.Event, err error) {
	if err == nil {
		err = c.Store.Tenant(t).AddEvent(ctx, e)
	}
	if err != nil {
		c.Meter.Count(dcm.MetricAuditFailed, 1)
		c.Log.ErrorContext(ctx, "the audit log misses an entry", "tenant", t,
			"action", e.Action, "resource", e.Resource, "detail", e.Detail, "error", err)
	}
}

// resourceOf names a VM in the audit log.
func resourceOf(vm dcm.VM) string { return "vms/" + string(vm.ID) }
