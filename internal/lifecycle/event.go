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

// How the audit log names what the system does by itself to VMs.
const (
	sweepVMs  = "sweep-vms"
	sweepKeys = "sweep-keys"
)

// event is an entry of the audit log that says what was done to a VM.
func (c Common) event(vm dcm.VM, actor dcm.Actor, action string, from Origin, detail string) (dcm.Event, error) {
	id, err := dcm.NewEventID(c.Random)
	if err != nil {
		return dcm.Event{}, err
	}
	return dcm.Event{
		ID: id, At: c.Clock.Now(), Actor: actor, SourceIP: from.SourceIP, RequestID: from.RequestID,
		Action: action, Resource: "vms/" + string(vm.ID), Result: dcm.ResultOK, Detail: detail,
	}, nil
}

// note adds to the audit log what has happened already. A failure is told, and
// is no reason to undo it.
func (c Common) note(ctx context.Context, vm dcm.VM, e dcm.Event, err error) {
	if err == nil {
		err = c.Store.Tenant(vm.TenantID).AddEvent(ctx, e)
	}
	if err != nil {
		c.Meter.Count(dcm.MetricAuditFailed, 1)
		c.Log.ErrorContext(ctx, "the audit log misses an entry", "vm", vm.ID, "tenant", vm.TenantID,
			"action", e.Action, "detail", e.Detail, "error", err)
	}
}
